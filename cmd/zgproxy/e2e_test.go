//go:build e2e

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	update  = flag.Bool("update", false, "write docs/compatibility.md")
	clients = flag.String("clients", "", "only these, with commas between them")
	only    = flag.String("only", "", "only scenarios with this in their names")
)

// TestConformance runs unmodified clients against a daemon, and the same scenarios against bare providers: make e2e. The
// clients come from npm; curl has to be there.
func TestConformance(t *testing.T) {
	for _, tool := range []string{"node", "npm", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: %v", tool, err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(scenarioDir)); err != nil {
		t.Fatal(err)
	}
	install(t, dir, "E2E_NODE_MODULES")
	s := newSite(t, true)
	wanted := func(client string) bool {
		return *clients == "" || slices.Contains(strings.Split(*clients, ","), client)
	}
	var all []played
	for _, target := range []string{viaDaemon, bareProvider} {
		for _, c := range pageClients {
			if !wanted(c.file) {
				continue
			}
			if c.file == goClient {
				all = append(all, s.playGo(target, *only)...)
			} else {
				all = append(all, s.playNode(dir, c.file, target)...)
			}
		}
	}
	all = compared(all)
	for _, o := range all {
		if !o.OK {
			t.Errorf("%s, %s, %s: %s", o.Client, o.Target, o.Scenario, o.Error)
		}
	}
	if *update && *clients == "" && *only == "" && !t.Failed() {
		if err := os.WriteFile(pagePath, page(all, versions(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// install fetches what package.json in dir names, or takes the modules of the directory that a variable names.
func install(t *testing.T, dir, variable string) {
	t.Helper()
	if have := os.Getenv(variable); have != "" {
		if err := os.Symlink(have, filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
}

// playNode runs the scenarios of one file.
func (s *site) playNode(dir, client, target string) []played {
	s.Helper()
	told, err := json.Marshal(map[string]any{
		"target": target, "base": s.front.Base, "root": s.front.Root, "key": s.front.Key, "models": s.providers, "spare": s.spareFor(client),
		"forbidden": s.forbidden, "withheld": s.withheld, "control": s.control,
	})
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.CommandContext(s.Context(), "node", "run.mjs", client, *only)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "ZG_E2E="+string(told))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	var all []played
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		o := played{Client: client, Target: target}
		if err := json.Unmarshal(line, &o); err != nil {
			s.Errorf("%s wrote %.200q: %v", client, line, err)
			continue
		}
		all = append(all, o)
	}
	if err := cmd.Wait(); err != nil {
		s.Errorf("%s, %s: %v\n%s", client, target, err, errs.Bytes())
	}
	return all
}

// versions are those of what was run, by the name in pageClients.
func versions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	text, err := fs.ReadFile(os.DirFS(scenarioDir), "package.json")
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(found, manifest.Dependencies)
	for name, args := range map[string][]string{
		"curl": {"curl", "--version"}, "node": {"node", "--version"},
		"openai-go": {"go", "list", "-m", "-f", "{{.Version}}", "github.com/openai/openai-go/v3"},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		v := strings.TrimPrefix(strings.SplitN(strings.TrimSpace(string(out)), "\n", 2)[0], "curl ")
		found[name] = strings.TrimPrefix(strings.Fields(v)[0], "v")
	}
	return found
}
