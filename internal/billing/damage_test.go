package billing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// flip changes bytes of a file, at places that a seed decides.
func flip(tb testing.TB, path string, n int, seed uint64) {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	places := rand.New(rand.NewPCG(seed, 1))
	for range n {
		text[places.IntN(len(text))] ^= byte(1 + places.IntN(255))
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// A store whose file was changed behind its back is not opened, whatever was changed, and a reader that looks finds it.
func TestDamagedStoreIsNotOpened(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole, 4_000, 10, noon)
	text, err := os.ReadFile(filepath.Join(whole, storeName))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(path string){
		"200 bytes":           func(path string) { flip(t, path, 200, 1) },
		"200 other bytes":     func(path string) { flip(t, path, 200, 2) },
		"200 bytes once more": func(path string) { flip(t, path, 200, 3) },
		"the first bytes":     func(path string) { writeAt(t, path, 0, "not a database, is it") },
		"a page of zeros":     func(path string) { writeAt(t, path, int64(len(text)/8192)*4096, strings.Repeat("\x00", 4096)) },
		"empty":               func(path string) { must(t, os.Truncate(path, 0)) },
		"only its log":        func(path string) { must(t, os.Rename(path, path+"-wal")) },
		"cut off": func(path string) {
			if err := os.Truncate(path, int64(len(text)/2)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, storeName)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		damage(path)
		r, err := OpenReadOnly(t.Context(), dir)
		if name == "only its log" && errors.Is(err, ErrNoStore) {
			err = fmt.Errorf("%w, zgproxy restore FILE", ErrDamaged) // a reader makes none, so it may say so
		}
		if err == nil {
			_, err = r.Examine(t.Context(), time.Minute)
			err = errors.Join(err, r.Close())
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "zgproxy restore FILE") {
			t.Errorf("%s: a reader finds %v", name, err)
		}
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err == nil {
			err = s.Close()
			t.Errorf("%s: the store is opened", name)
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "zgproxy restore FILE") {
			t.Errorf("%s: %v, want ErrDamaged and the way back", name, err)
		}
		if held, _ := LockHolder(dir); held {
			t.Errorf("%s: the directory stays locked", name)
		}
	}
}

func writeAt(tb testing.TB, path string, at int64, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = f.WriteAt([]byte(text), at)
	if err = errors.Join(err, f.Close()); err != nil {
		tb.Fatal(err)
	}
}

// A whole store passes, and nothing of it is changed by looking.
func TestWholeStoreIsFoundWhole(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 500, 10, noon)
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := r.Examine(t.Context(), time.Minute); !done || err != nil {
		t.Errorf("Examine = %v, %v", done, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Examine(ended, time.Minute); err == nil {
		t.Error("Examine with a context that has ended: no error")
	}
	if done, err := r.Examine(t.Context(), time.Nanosecond); done || err != nil {
		t.Errorf("Examine without time = %v, %v; want not done", done, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Damage that shows while the store is in use, to a reader or to the writer, ends all spending, and what succeeds
// afterwards does not take that back.
func TestDamageWhileInUse(t *testing.T) {
	for _, by := range []string{"a reader", "the writer"} {
		dir := t.TempDir()
		fill(t, dir, 4_000, 10, noon)
		var log strings.Builder
		s, err := Open(t.Context(), dir, StoreOptions{Log: zerolog.New(zerolog.SyncWriter(&log)), Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		m := NewMeter(s, MeterConfig{Now: func() time.Time { return noon }})
		mustOpen(t, m, order("before", alice)).Close(answered())
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, storeName)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(10 * 4096); at < info.Size(); at += 4096 {
			writeAt(t, path, at, strings.Repeat("\xff", 64)) // every page but the first
		}
		switch by {
		case "a reader":
			var n int
			err = s.readers.QueryRowContext(t.Context(), `SELECT SUM(length(id)) FROM requests`).Scan(&n)
		default:
			err = s.writer.do(false, func(db *session) error {
				_, err := db.exec(`UPDATE requests SET key = 'x' WHERE opened_at < ?`, micros(noon))
				return err
			})
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: %v, want ErrDamaged", by, err)
		}
		if err := s.Err(); !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), "zgproxy restore FILE") {
			t.Errorf("%s: Err = %v", by, err)
		}
		_, err = m.Open(t.Context(), order("after", alice))
		if refused, ok := errors.AsType[*Refused](err); !ok || refused.Kind != RefusedStore || refused.RetryAfter != 0 || refused.Hint != WayBack {
			t.Errorf("%s: a request after it: %v", by, err)
		}
		_, err = s.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG}, OriginHand, zg.SignedTx{Raw: []byte("x")}, noon)
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a transaction after it: %v, want ErrDamaged", by, err)
		}
		if err := s.Flush(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Flush = %v: it got well by itself", by, err)
		}
		if n := strings.Count(log.String(), "the spend store is damaged: nothing is served"); n != 1 {
			t.Errorf("%s: it is logged %d times", by, n)
		}
		_ = s.Close() // cannot write what is left
	}
}

// BenchmarkExamine is what a start spends on looking whether a large store is whole.
func BenchmarkExamine(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 140_000, 30, noon)
	s, err := Open(b.Context(), dir, StoreOptions{})
	if err != nil {
		b.Fatal(err)
	}
	err = s.writer.do(false, func(db *session) error { // what a signed answer adds
		_, err := db.exec(`UPDATE requests SET request_sha256 = randomblob(32), response_sha256 = randomblob(32), res_key = hex(randomblob(18)), chat_id = hex(randomblob(18)),
			verdict = 'verified', signer = provider, expected_signer = provider, signed_text = hex(randomblob(64)), signature = hex(randomblob(65))`)
		return err
	})
	if err = errors.Join(err, s.Close()); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, storeName)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, check := range []string{"quick_check", "integrity_check"} {
		b.Run(check, func(b *testing.B) {
			for b.Loop() {
				if done, problem, err := examine(b.Context(), path, check, time.Minute); !done || problem != nil || err != nil {
					b.Fatal(done, problem, err)
				}
			}
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		})
	}
	b.Run("backup", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := Backup(b.Context(), dir, filepath.Join(b.TempDir(), "copy.db"), noon); err != nil {
				b.Fatal(err)
			}
		}
	})
}
