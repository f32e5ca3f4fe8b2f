package request

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func zipped(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func decode(in io.Reader, coding string, limit int64) ([]byte, error) {
	r, err := Decode(in, coding, limit)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestDecode(t *testing.T) {
	text := []byte(strings.Repeat(`{"model":"m"} `, 1000))
	packed := zipped(t, text)
	for _, tc := range []struct {
		name, coding string
		body         []byte
	}{
		{"none", "", text},
		{"identity", "Identity", text},
		{"gzip", "gzip", packed},
		{"x-gzip", " X-GZIP ", packed},
		{"gzip in two members", "gzip", append(zipped(t, text[:100]), zipped(t, text[100:])...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decode(iotest.OneByteReader(bytes.NewReader(tc.body)), tc.coding, int64(len(text)))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes, %v, want all %d", len(got), err, len(text))
			}
			for _, limit := range []int64{0, 1, int64(len(text)) - 1} {
				got, err := decode(bytes.NewReader(tc.body), tc.coding, limit)
				if !isTooLarge(err, limit) || int64(len(got)) > limit {
					t.Errorf("a limit of %d: %d bytes, %v, want it to be too large", limit, len(got), err)
				}
			}
			r, err := Decode(bytes.NewReader(tc.body), tc.coding, 10)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // it stays too large
				_, err = io.ReadAll(r)
			}
			if !isTooLarge(err, 10) {
				t.Errorf("read again: %v, want it to be too large", err)
			}
		})
	}
	for _, tc := range []struct {
		name, coding string
		body         []byte
	}{
		{"brotli", "br", text},
		{"two codings", "gzip, gzip", packed},
		{"not gzip", "gzip", text},
		{"nothing", "gzip", nil},
		{"cut in the header", "gzip", packed[:5]},
		{"cut", "gzip", packed[:len(packed)/2]},
		{"cut before its sum", "gzip", packed[:len(packed)-4]},
		{"something behind it", "gzip", append(bytes.Clone(packed), "more than nothing"...)},
		{"another sum", "gzip", append(bytes.Clone(packed[:len(packed)-8]), 1, 2, 3, 4, 5, 6, 7, 8)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decode(bytes.NewReader(tc.body), tc.coding, 1<<20)
			if strings.Contains(tc.coding, "br") || strings.Contains(tc.coding, ",") {
				if !errors.Is(err, ErrEncoding) {
					t.Errorf("%v, want ErrEncoding", err)
				}
				return
			}
			if bad, ok := errors.AsType[*Error](err); !ok || bad.Message == "" {
				t.Errorf("%v, want an Error", err)
			}
		})
	}
	for _, after := range []int{0, 5, len(packed) - 10} {
		_, err := decode(io.MultiReader(bytes.NewReader(packed[:after]), iotest.ErrReader(errLine)), "gzip", 1<<20)
		if !errors.Is(err, errLine) {
			t.Errorf("the body breaks after %d bytes: %v, want that error", after, err)
		}
	}
}

// FuzzDecode: nothing is larger than the limit, and every error says whose fault it is.
func FuzzDecode(f *testing.F) {
	f.Add(zipped(f, []byte(`{"model":"m"}`)), uint16(100))
	f.Add(zipped(f, bytes.Repeat([]byte("y"), 70_000)), uint16(60_000))
	f.Add([]byte("\x1f\x8b\x08"), uint16(0))
	f.Fuzz(func(t *testing.T, body []byte, limit uint16) {
		got, err := decode(bytes.NewReader(body), "gzip", int64(limit))
		if len(got) > int(limit) {
			t.Fatalf("%d bytes, above the limit of %d", len(got), limit)
		}
		if _, bad := errors.AsType[*Error](err); err != nil && !bad && !isTooLarge(err, int64(limit)) {
			t.Fatalf("%v, want an Error or a body that is too large", err)
		}
		if plain, err := decode(bytes.NewReader(body), "", 1<<20); err != nil || !bytes.Equal(plain, body) {
			t.Fatalf("not packed: %d bytes of %d, %v", len(plain), len(body), err)
		}
	})
}

// What packs as nothing that is meant to be read does is refused long before it is unpacked.
func TestDecodeBomb(t *testing.T) {
	var similar strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&similar, `{"role":"user","content":"What is said again and again packs well, as does this for the %dth time."},`, i)
	}
	spaces, kilobyte := strings.Repeat(" ", 64<<20), make([]byte, 1<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(kilobyte) // it has no errors
	for _, tc := range []struct {
		name string
		text string
		ok   bool
	}{
		{"64 MiB of white space", spaces, false},
		{"as much behind something to say", string(kilobyte) + spaces, false},
		{"a little of it", spaces[:freelyUnpacked], true},
		{"what says the same again and again", similar.String(), true},
	} {
		packed := zipped(t, []byte(tc.text))
		r, err := Decode(bytes.NewReader(packed), "gzip", 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		t.Logf("%s: %d bytes from %d", tc.name, n, len(packed))
		bad := (*Error)(nil)
		switch {
		case tc.ok && (err != nil || n != int64(len(tc.text))):
			t.Errorf("%s: %d bytes, %v, want all %d", tc.name, n, err, len(tc.text))
		case !tc.ok && (!errors.As(err, &bad) || !strings.Contains(bad.Message, "100 times") || n > 16<<20):
			t.Errorf("%s: %d bytes, %v, want to be told of what is unpacked", tc.name, n, err)
		}
	}
}
