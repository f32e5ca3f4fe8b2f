package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unpacked is what an archive holds, by name.
func unpacked(t *testing.T, archive []byte) map[string]*tar.Header {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]*tar.Header{}
	files := tar.NewReader(packed)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return headers
		}
		if err != nil {
			t.Fatal(err)
		}
		headers[h.Name] = h
	}
}

func TestPack(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	files := map[string][]byte{"bin/zgproxy": []byte("program"), "README.md": []byte("read"), "LICENSE": nil}
	first, err := pack("top", files, at)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // maps have no order
		if again, err := pack("top", files, at); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("packed again it differs (%v)", err)
		}
	}
	have := unpacked(t, first)
	for name, mode := range map[string]int64{"top/bin/zgproxy": 0o755, "top/README.md": 0o644, "top/LICENSE": 0o644} {
		h := have[name]
		if h == nil || h.Mode != mode || !h.ModTime.Equal(at) || h.Uid != 0 || h.Uname != "root" {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if len(have) != len(files) {
		t.Errorf("%d files, want %d", len(have), len(files))
	}
}

// TestBill reads the bill of materials of this test itself, which is linked from modules, too, though from few.
func TestBill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	text, err := billOfMaterials(program, release{version: "v1.2.3+x", commit: "c0ffee", date: time.Unix(0, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Metadata.Timestamp != "1970-01-01T00:00:00Z" ||
		!strings.HasPrefix(b.Components[0].PURL, "pkg:golang/std@1.") || len(b.Dependencies[0].On) != len(b.Components) {
		t.Errorf("the bill is\n%s", text)
	}
	if _, err := billOfMaterials([]byte("no program"), release{}); err == nil {
		t.Error("a bill of what is no program")
	}
}

func TestLine(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-version v1 extra", "unknown argument"},
		{"", "-version and -commit are needed"},
		{"-version v1;ls", "-version and -commit are needed"},
		{"-version v1 -targets linux", `"linux" is not OS/ARCH`},
	} {
		if _, err := parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v; want %q", tt.args, err, tt.want)
		}
	}
}

// moduleVersion is what a proxy would offer as @latest.
const moduleVersion = "v0.9.7"

// TestInstall installs zgproxy as its users do, from a module proxy: a directory with this source, and with what the
// module cache has of the other modules. It takes minutes, so make check-release runs it.
func TestInstall(t *testing.T) {
	if os.Getenv("ZG_TEST_INSTALL") == "" {
		t.Skip("make check-release runs it")
	}
	proxy, temporary := t.TempDir(), t.TempDir()
	writeModule(t, proxy)
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(cache))
	install := exec.CommandContext(t.Context(), "go", "install", "-trimpath",
		"github.com/zgproxy/zgproxy/cmd/zgproxy@latest")
	install.Dir = temporary
	install.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + temporary, "GOBIN=" + filepath.Join(temporary, "bin"), "GOCACHE=" + dirs[1],
		"GOMODCACHE=" + filepath.Join(temporary, "mod"), "GOFLAGS=-mod=mod -modcacherw", "GOTOOLCHAIN=local", "GONOSUMDB=*",
		"GOSUMDB=off", "GOPROXY=file://" + proxy + ",file://" + filepath.Join(dirs[0], "cache", "download") + ",off",
	}
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install: %v\n%s", err, out)
	}
	out, err := output(t.Context(), filepath.Join(temporary, "bin", "zgproxy"), "version")
	if err != nil || !strings.HasPrefix(string(out), "zgproxy "+moduleVersion+"\n") {
		t.Errorf("zgproxy version: %v\n%s", err, out)
	}
}

// writeModule lays this source into a module proxy, as it is committed or about to be.
func writeModule(t *testing.T, proxy string) {
	t.Helper()
	const module = "github.com/zgproxy/zgproxy"
	root := filepath.Join("..", "..")
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for name := range strings.SplitSeq(strings.TrimSpace(string(list)), "\n") {
		if strings.HasPrefix(name, "tools/go.") || strings.Contains(name, "testdata/") { // another module; of no use here
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := archive.Create(module + "@" + moduleVersion + "/" + name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mod, []byte("\nreplace ")) {
		t.Error("go.mod has a replace directive, with which go install refuses")
	}
	at := filepath.Join(proxy, module, "@v")
	if err := os.MkdirAll(at, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"list": []byte(moduleVersion + "\n"), moduleVersion + ".mod": mod, moduleVersion + ".zip": packed.Bytes(),
		moduleVersion + ".info": []byte(`{"Version":"` + moduleVersion + `","Time":"2026-01-01T00:00:00Z"}`),
	} {
		if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
