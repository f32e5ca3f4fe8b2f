package request

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// upload is a prepared form of a given length whose body comes from in.
func upload(tb testing.TB, contentType string, in io.Reader, keep int) *Multipart {
	tb.Helper()
	m, err := NewMultipart(contentType, in)
	if err == nil {
		err = m.Prepare()
	}
	if err != nil {
		tb.Fatal(err)
	}
	m.Keep(keep)
	m.SetModel("first", func(late string) bool { return late == "m" })
	return m
}

func TestAgainReplaysTheBody(t *testing.T) {
	audio := sent{"file", "a.wav", strings.Repeat("sound\r\n--", 30_000)}
	parts := []sent{{"response_format", "", "srt"}, {"model", "", "m"}, audio, {"language", "", "en"}, {"more", "b", strings.Repeat("y", 100)}}
	late := []sent{{"response_format", "", "srt"}, audio, {"model", "", "m"}, {"language", "", "en"}}
	for name, in := range map[string][]sent{"model first": parts, "model late": late, "no file": parts[:2]} {
		t.Run(name, func(t *testing.T) {
			contentType, body := form(t, "b", in)
			for _, read := range []int{0, 1, 40, 200, 5000, 70_000, 200_000, len(body) * 2} {
				m := upload(t, contentType, iotest.HalfReader(bytes.NewReader(body)), len(body))
				first, err := io.ReadAll(io.LimitReader(m, int64(read)))
				if err != nil {
					t.Fatal(err)
				}
				second, ok := m.Again("second")
				if !ok {
					t.Fatalf("after %d bytes there is no other attempt", len(first))
				}
				if _, err := m.Read(make([]byte, 10)); err == nil || errors.Is(err, io.EOF) {
					t.Errorf("the old reader goes on: %v", err)
				}
				if _, err := io.ReadAll(io.LimitReader(second, int64(read/2))); err != nil {
					t.Fatal(err)
				}
				third, ok := m.Again("third")
				if !ok {
					t.Fatalf("after %d bytes there is no third attempt", read/2)
				}
				out, err := io.ReadAll(third)
				if err != nil {
					t.Fatal(err)
				}
				got, err := parse(out, "b")
				want := append([]sent{{"model", "", "third"}}, others(in)...)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("after %d bytes: %v, parts %.200v, want %.200v", read, err, got, want)
				}
				if want := bytes.Replace(out, []byte("third"), []byte("first"), 1); !bytes.HasPrefix(want, first) {
					t.Fatalf("the first %d bytes were others than those of the third attempt", len(first))
				}
			}
		})
	}
}

func TestAgainIsBounded(t *testing.T) {
	const size, keep = 1 << 20, 100_000
	contentType, body := form(t, "b", []sent{{"model", "", "m"}, {"file", "a", strings.Repeat("x", size)}})
	head := len("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nfirst\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: application/octet-stream\r\n\r\n")
	for read, want := range map[int]bool{head: true, head + keep: true, head + keep + 1: false, 1 << 19: false, 2 << 20: false} {
		m := upload(t, contentType, bytes.NewReader(body), keep)
		first, err := io.ReadAll(io.LimitReader(m, int64(read)))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.Again("second"); ok != want {
			t.Errorf("after %d bytes: another attempt %v, want %v", read, ok, want)
			continue
		}
		if want {
			continue
		}
		rest, err := io.ReadAll(m) // it was refused, so that the first one goes on
		if err != nil || len(first)+len(rest) != head+size+len("\r\n--b--\r\n") {
			t.Errorf("after %d bytes %d more came, %v", read, len(rest), err)
		}
		if n := cap(m.replay.kept); n > 2*readAhead {
			t.Errorf("%d bytes are held although none are wanted again", n)
		}
	}
	m := upload(t, contentType, bytes.NewReader(body), 0) // nothing is kept unless asked for
	if _, err := io.ReadAll(io.LimitReader(m, int64(head+1))); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Again("second"); ok {
		t.Error("another attempt although nothing was to be kept")
	}
}

// A transport may wait for the caller's bytes when its attempt is already over: they belong to the next one.
func TestAgainWhileABodyIsAwaited(t *testing.T) {
	parts := []sent{{"model", "", "m"}, {"file", "a", strings.Repeat("x", 5000)}, {"language", "", "en"}}
	contentType, body := form(t, "b", parts)
	r, w := io.Pipe()
	cut := bytes.Index(body, []byte("xxx")) + 100
	var wg sync.WaitGroup
	defer wg.Wait()
	reading := make(chan struct{})
	wg.Go(func() {
		_, _ = w.Write(body[:cut])
		<-reading
		_, err := w.Write(body[cut:])
		_ = w.CloseWithError(err)
	})
	in := &announcing{in: r, after: cut, waiting: make(chan struct{})}
	m := upload(t, contentType, in, 1<<20)
	failed := make(chan error, 1)
	wg.Go(func() {
		_, err := io.Copy(io.Discard, m)
		failed <- err
	})
	<-in.waiting // the first attempt has all there is, and waits
	second, ok := m.Again("second")
	if !ok {
		t.Fatal("there is no other attempt")
	}
	close(reading)
	out, err := io.ReadAll(second)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parse(out, "b"); err != nil || !reflect.DeepEqual(others(got), others(parts)) {
		t.Errorf("%v, parts %.200v, want %.200v", err, got, parts)
	}
	if err := <-failed; !errors.Is(err, errSuperseded) {
		t.Errorf("the first attempt ended with %v, want it to be told", err)
	}
}

// announcing says when it is asked for more than a number of bytes.
type announcing struct {
	in      io.Reader
	after   int
	waiting chan struct{}
	once    sync.Once
}

func (a *announcing) Read(p []byte) (int, error) {
	if a.after <= 0 {
		a.once.Do(func() { close(a.waiting) })
	}
	n, err := a.in.Read(p)
	a.after -= n
	return n, err
}

// An error of the body comes to every attempt, behind what came before it.
func TestAgainFailsLikeTheFirst(t *testing.T) {
	contentType, body := form(t, "b", []sent{{"model", "", "m"}, {"file", "a", strings.Repeat("x", 5000)}})
	for name, broken := range map[string]io.Reader{
		"cut":    bytes.NewReader(body[:2000]),
		"broken": io.MultiReader(bytes.NewReader(body[:2000]), iotest.ErrReader(errLine)),
	} {
		t.Run(name, func(t *testing.T) {
			m := upload(t, contentType, broken, 1<<20)
			first, errFirst := io.ReadAll(m)
			r, ok := m.Again("other")
			if !ok {
				t.Fatal("there is no other attempt")
			}
			second, errSecond := io.ReadAll(r)
			if len(first) != len(second) || errFirst == nil || !errors.Is(errSecond, errFirst) {
				t.Errorf("%d bytes and %v, then %d and %v", len(first), errFirst, len(second), errSecond)
			}
		})
	}
}
