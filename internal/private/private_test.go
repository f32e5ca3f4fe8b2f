package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "key")
	if err := Write(path, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("two"), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	want := func(text string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("left behind: %v, %v", list, err)
		}
	}
	want("one")
	if err := Write(path, []byte("three"), true); err != nil {
		t.Error(err)
	}
	want("three")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	if err := Write(filepath.Join(path, "below"), nil, false); err == nil {
		t.Error("wrote below a file")
	}
}

func TestWarning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := Write(path, nil, false); err != nil {
		t.Fatal(err)
	}
	for mode, says := range map[os.FileMode]string{
		0o600: "", 0o400: "", 0o640: "", 0o644: "every user", 0o604: "every user",
		0o660: "others of its group", 0o620: "others of its group", 0o602: "can change", 0o666: "every user of this machine can change",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if w := Warning(path); (says == "") != (w == "") || !strings.Contains(w, says) {
			t.Errorf("%o: %q", mode, w)
		}
	}
	if w := Warning(path + "x"); w != "" {
		t.Errorf("of no file: %s", w)
	}
}
