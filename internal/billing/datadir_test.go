package billing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing of the store is written through a link that somebody else has put there.
func TestLinksInTheDataDirectory(t *testing.T) {
	for _, name := range append([]string{storeName, storeName + "-wal", storeName + "-shm", lockName}, openLogNames[:]...) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			victim := filepath.Join(t.TempDir(), "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), dir, StoreOptions{})
			if err == nil {
				_ = s.Close() // the test has failed
			}
			if err == nil || !strings.Contains(err.Error(), "symbolic link") || !strings.Contains(err.Error(), name) {
				t.Errorf("Open = %v", err)
			}
			if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
				t.Errorf("what the link leads to has become %.40q, %v", text, err)
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, openLogNames[1]), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, StoreOptions{}); err == nil || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("Open = %v", err)
		}
	})
}

// Others cannot put anything into the data directory, however it was made. A directory that is a link is the owner's
// decision.
func TestModeOfTheDataDirectory(t *testing.T) {
	for mode, want := range map[os.FileMode]os.FileMode{0o777: 0o755, 0o770: 0o750, 0o755: 0o755, 0o700: 0o700} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		link := dir + "-link"
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), link, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != want {
			t.Errorf("mode %04o has become %v, %v; want %04o", mode, info.Mode(), err, want)
		}
	}
	open := filepath.Join(t.TempDir(), "data")
	must(t, errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)))
	if _, err := Restore(t.Context(), open, filepath.Join(t.TempDir(), "nothing"), noon); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if info, err := os.Stat(open); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("restoring into one leaves it %v, %v", info.Mode(), err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a new one has %v, %v", info.Mode(), err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := makeDir(dir); err == nil || !strings.Contains(err.Error(), "choose another one") {
			t.Errorf("somebody else's that everybody writes to: %v", err)
		}
	}
}
