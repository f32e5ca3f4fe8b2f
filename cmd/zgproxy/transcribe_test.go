package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// A recording is sent with its length, by which zgproxy reserves money: without one the whole of ZGPROXY_MAX_BODY counts.
// The model comes before the file, so that nothing has to be read whole before it is known who serves it.
func TestTranscribeTellsTheLength(t *testing.T) {
	sound := bytes.Repeat([]byte("sound"), 13_000)
	path := filepath.Join(t.TempDir(), "talk.mp3")
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	var told int64
	var order []string
	var heard []byte
	args := playedAPI(t, func(w http.ResponseWriter, r *http.Request) {
		told, order = r.ContentLength, nil
		parts, err := r.MultipartReader()
		for err == nil {
			p, partErr := parts.NextPart()
			if err = partErr; err == nil {
				order = append(order, p.FormName())
				text, readErr := io.ReadAll(p)
				if err = readErr; p.FormName() == "file" {
					heard = text
				}
			}
		}
		_, _ = io.WriteString(w, "said")
	})
	stdin := os.Stdin
	t.Cleanup(func() { os.Stdin = stdin })
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // read only
	pipe, into, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = into.Write(sound)
		_ = into.Close()
	}()
	defer pipe.Close() //nolint:errcheck // read only
	for _, tc := range []struct {
		name, arg string
		stdin     *os.File
		known     bool
	}{{"a file", path, stdin, true}, {"a file on the standard input", "-", file, true}, {"a pipe", "-", pipe, false}} {
		os.Stdin = tc.stdin
		var out, errs bytes.Buffer
		if code := run([]string{"transcribe", "--url", args[2], "--model", "m", "--language", "en", tc.arg}, &out, &errs); code != 0 {
			t.Fatalf("%s: status %d: %s", tc.name, code, errs.String())
		}
		if known := told > int64(len(sound)) && told < int64(len(sound)+2000); known != tc.known || !bytes.Equal(heard, sound) {
			t.Errorf("%s: length %d, and %d bytes were heard of %d", tc.name, told, len(heard), len(sound))
		}
		if len(order) != 4 || order[0] != "model" || order[3] != "file" {
			t.Errorf("%s: the parts are %v", tc.name, order)
		}
	}
}
