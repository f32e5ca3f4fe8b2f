package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

// TestRunningDaemonOfADamagedStore damages the file of the spend store while the daemon runs. From the first look that
// meets the damage, the daemon is not ready, serves nothing and sends nothing, until a copy was restored.
func TestRunningDaemonOfADamagedStore(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.child()
	resp, _ := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
	id := resp.Header.Get("X-Request-Id")
	w.record(id, true)
	if err := w.daemon.stop(); err != nil {
		t.Fatal(err)
	}
	w.fillStore(id, 5_000) // more than the daemon has read when it is ready
	w.child()
	backup := filepath.Join(t.TempDir(), "copy.db")
	w.must([]string{"backup", backup})

	path := filepath.Join(w.data, "spend.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(10 * 4096); at < info.Size(); at += 4096 {
		if _, err := f.WriteAt(slices.Repeat([]byte{0xff}, 64), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the damage is met", func() error {
		for i := 100; i < 5_000; i += 100 {
			w.get(fmt.Sprintf("%s/v1/requests/req_%028d", w.daemon.admin, i))
		}
		if code, body := w.get(w.daemon.admin + "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "zgproxy restore FILE") {
			return fmt.Errorf("/readyz = %d %s", code, body)
		}
		return nil
	})
	asked := w.received()
	signed := strings.Count(w.daemon.log.String(), "transaction signed")
	if code, _ := w.get(w.daemon.admin + "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz = %d, want 200: a new start would not help", code)
	}
	resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
	if code := resp.Header.Get("X-Zgproxy-Error"); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(answer), "damaged") {
		t.Errorf("a question gets %d (%s): %s", resp.StatusCode, code, answer)
	}
	w.expect(1, []string{"deposit", "1", "--yes"}, "the spend store is damaged")
	if got := w.received(); got != asked {
		t.Errorf("%d requests reached a provider", got-asked)
	}
	if got := strings.Count(w.daemon.log.String(), "transaction signed"); got != signed {
		t.Errorf("%d transactions were signed", got-signed)
	}
	if err := w.daemon.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}

	w.must([]string{"restore", backup, "--yes"})
	w.child()
	w.waitReady()
	w.eventually("callers are served from the copy", func() error { return askedOnce(w, true, "") })
}
