//go:build e2e

package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

// TestNodeClient runs the official client for Node against a daemon of its own: make e2e. The client comes from npm.
func TestNodeClient(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: %v", tool, err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/e2e")); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_VERIFY=enforce")
	d := w.inProcess()
	for _, args := range [][]string{
		{"npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"},
		{"node", "--test", "--test-reporter=spec", "e2e.mjs"},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "BASE_URL="+d.api+"/v1/")
		out, err := cmd.CombinedOutput()
		t.Logf("%s\n%s", args[0], out)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}
