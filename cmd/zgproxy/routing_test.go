package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// chatWith asks a model by a name, and returns who answered.
func (w *world) chatWith(name, pin string) (status int, by, text string) {
	w.Helper()
	body := fmt.Sprintf(`{"model":%q,"max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`, name)
	resp, err := w.send(w.Context(), "/v1/chat/completions", "application/json", []byte(body), "X-Zgproxy-Provider", pin)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Zgproxy-Provider"), string(answer)
}

// TestNames asks for a model by every name that it has, and by some that it has not: those reach nobody.
func TestNames(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	alpha, gamma := w.net.Providers[0].Address().Hex(), w.net.Providers[2].Address().Hex()
	w.env = append(w.env, "ZGPROXY_MODEL_ALIASES=gpt-4o=echo-1,dear="+gamma+"/echo-1")
	w.inProcess()
	for _, tc := range []struct{ name, pin, by string }{
		{"echo-1", "", alpha},
		{"ECHO-1", "", alpha},
		{"vendor/echo-1", "", alpha},
		{" echo-1 ", "", alpha},
		{"gpt-4o", "", alpha},
		{"dear", "", gamma},
		{gamma + "/echo-1", "", gamma},
		{strings.ToLower(gamma) + "/echo-1", "", gamma},
		{"echo-1", strings.ToLower(gamma), gamma},
	} {
		if status, by, text := w.chatWith(tc.name, tc.pin); status != http.StatusOK || by != tc.by {
			t.Errorf("%s, pinned to %q: %d from %s, want %s: %s", tc.name, tc.pin, status, by, tc.by, text)
		}
	}
	before := w.received()
	for _, tc := range []struct{ name, pin string }{
		{"echo-2", ""}, {"echo", ""}, {"echo- 1", ""}, {" ", ""}, {"", ""}, {"picture-1", ""}, {"echo-1", "0x00000000000000000000000000000000000000aa"}, {"lorem-1", gamma}, {"a/b/echo-1", ""},
	} {
		if status, by, text := w.chatWith(tc.name, tc.pin); status != http.StatusNotFound && status != http.StatusBadRequest {
			t.Errorf("%q, pinned to %q: %d from %s: %s", tc.name, tc.pin, status, by, text)
		}
	}
	if _, _, text := w.chatWith("lorem-1", gamma); !strings.Contains(text, w.lorem().Address().Hex()) {
		t.Errorf("where another one is pinned it is not told who has the model: %s", text)
	}
	resp, err := w.tryPost(t.Context(), "/v1/embeddings", `{"model":"vectors-1","input":"hi"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(text), "chatbot, speech-to-text, text-to-image") {
		t.Errorf("a URL that nobody serves: %d %s, %v; want to be told what is served", resp.StatusCode, text, err)
	}
	if n := w.received(); n != before {
		t.Errorf("%d requests for what nobody offers reached a provider", n-before)
	}
}

// TestDirectEndpoint has an endpoint of the owner's beside the providers: it answers in their place, and says what it is
// wherever it shows.
func TestDirectEndpoint(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"id":"1","choices":[{"message":{"role":"assistant","content":"from home"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}))
	t.Cleanup(up.Close)
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_ENDPOINTS=id=home url="+up.URL+"/v1 models=echo-1|mine priority=9")
	w.inProcess()
	if status, by, text := w.chatWith("mine", ""); status != http.StatusOK || by != "endpoint:home" || !strings.Contains(text, "from home") {
		t.Errorf("a model that only the endpoint has: %d from %s: %s", status, by, text)
	}
	if _, by, _ := w.chatWith("echo-1", ""); by != w.net.Providers[0].Address().Hex() {
		t.Errorf("a model that providers have too came from %s", by)
	}
	for _, p := range []*simprovider.Provider{w.net.Providers[0], w.net.Providers[2]} {
		p.SetFault(simprovider.Fault{Kind: simprovider.ServerError})
	}
	if status, by, text := w.chatWith("echo-1", ""); status != http.StatusOK || by != "endpoint:home" {
		t.Errorf("when its providers fail: %d from %s: %s", status, by, text)
	}
	_, models := w.get(w.daemon.api + "/v1/models/mine")
	var m struct {
		X0G []map[string]any `json:"x_0g"`
	}
	if err := json.Unmarshal([]byte(models), &m); err != nil || len(m.X0G) != 1 || m.X0G[0]["signed"] != false || m.X0G[0]["unpaid"] != true {
		t.Errorf("the catalogue says %s, %v; want it unsigned and unpaid: %v", models, err, m.X0G)
	}
	if log := w.daemon.log.String(); !strings.Contains(log, `"provider":"endpoint:home"`) || !strings.Contains(log, `"basis":"unpaid"`) {
		t.Error("the access line does not say that it is unpaid")
	}
}

// TestLimitsAreKept sends many requests at a time to providers that take few: every caller gets an answer, or is told when
// to come back, and hardly any request is one too many for a provider.
func TestLimitsAreKept(t *testing.T) {
	w := newWorld(t, devnet.Config{Limits: simprovider.Limits{RequestsPerMinute: 30, Burst: 5, Concurrent: 5}})
	w.env = append(w.env, "ZGPROXY_ROUTING=balanced", "ZGPROXY_PACE_WAIT=1s")
	w.inProcess()
	w.eventually("the limits are known", func() error {
		if _, models := w.get(w.daemon.api + "/v1/models/echo-1"); strings.Count(models, `"requests_per_minute":30`) != 2 {
			return fmt.Errorf("%s", models)
		}
		return nil
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for range 40 {
		wg.Go(func() {
			resp, err := w.tryPost(t.Context(), "/v1/chat/completions", `{"model":"echo-1","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusOK && (resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "") {
				t.Errorf("%d %v: %s", resp.StatusCode, resp.Header, text)
			}
			mu.Lock()
			defer mu.Unlock()
			counts[resp.StatusCode]++
		})
	}
	wg.Wait()
	refused := 0
	for _, p := range w.net.Providers {
		w.atRest(p)
		for _, ex := range p.Exchanges() {
			if ex.Status == http.StatusTooManyRequests {
				refused++
			}
		}
	}
	t.Logf("answers by status %v; providers refused %d", counts, refused)
	if counts[http.StatusOK] < 10 || refused > 4 {
		t.Errorf("answers by status %v, providers refused %d; want the bursts of both served, and nobody pressed", counts, refused)
	}
}
