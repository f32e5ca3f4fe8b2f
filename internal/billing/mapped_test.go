package billing

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A mapped file has at any time what an ordinary one would have, and zeros behind it.
func TestMappedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const size = 8192
	m, err := mapFile(f, size)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	equal := func(what string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the file has %d bytes, %v, and not the %d that were written", what, len(got), err, len(want))
		}
	}
	write := func(n int, at int64) {
		t.Helper()
		b := bytes.Repeat([]byte{'x'}, n)
		if wrote, err := m.WriteAt(b, at); wrote != n || err != nil {
			t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", n, at, wrote, err)
		}
		want = append(want, make([]byte, max(0, int(at)+n-len(want)))...)
		copy(want[at:], b)
	}
	truncate := func(to int64) {
		t.Helper()
		if err := m.Truncate(to); err != nil {
			t.Fatal(err)
		}
		want = want[:max(to, size)]
		clear(want[min(to, size):size])
	}
	equal("fresh")
	write(100, 0)
	write(4000, 100)
	equal("within the map")
	truncate(50)
	equal("cut off")
	write(size, 50)
	write(10, size+50)
	equal("beyond the map")
	truncate(size + 20)
	equal("cut off behind the map")
	truncate(0)
	equal("emptied")
	write(7, 0)
	equal("used again")

	// The file's end is gone, as a page is for which a disk has no room: an error, not the end of the process.
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte("lost"), 5000); err == nil {
		t.Error("a write to a page that is not there succeeded")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
