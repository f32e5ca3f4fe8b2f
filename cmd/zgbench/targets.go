package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// The mock provider answers at once and with the least work: a 1 KiB JSON completion, or 200 SSE chunks each flushed on
// its own. Models whose name starts with "signed" carry a ZG-Res-Key and a signature that checks.
const sseChunks = 200

func chatAnswer(model string) []byte {
	head := `{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"` + model + `","choices":[{"index":0,"message":{"role":"assistant","content":"`
	tail := `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350}}`
	return []byte(head + strings.Repeat("x", 1024-len(head)-len(tail)) + tail)
}

func sseAnswer(model string) [][]byte {
	const frame = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"%s","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}` + "\n\n"
	chunks := make([][]byte, 0, sseChunks)
	for i := range sseChunks - 3 {
		chunks = append(chunks, fmt.Appendf(nil, frame, model, fmt.Sprintf(`"content":"word%04d "`, i), "null"))
	}
	return append(chunks,
		fmt.Appendf(nil, frame, model, "", `"stop"`),
		fmt.Appendf(nil, `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"%s","choices":[],"usage":{"prompt_tokens":200,"completion_tokens":197,"total_tokens":397}}`+"\n\n", model),
		[]byte("data: [DONE]\n\n"))
}

// mock is the upstream of every comparison.
type mock struct {
	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	texts  map[string]string
	nextID int
}

func (m *mock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/chat/completions"):
		m.chat(w, r)
	case strings.Contains(r.URL.Path, "/signature/"):
		m.signature(w, r)
	case strings.HasSuffix(r.URL.Path, "/unsettledfee"):
		_, _ = fmt.Fprintf(w, `{"userAddress":"%s","unsettledFee":"0"}`, r.URL.Path[len("/v1/user/"):len("/v1/user/")+42]) //nolint:gosec // JSON for our own daemon
	default:
		http.NotFound(w, r)
	}
}

func (m *mock) chat(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var asked struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	chunks := [][]byte{chatAnswer(asked.Model)}
	if asked.Stream {
		chunks = sseAnswer(asked.Model)
		w.Header().Set("Content-Type", "text/event-stream")
	} else {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(chunks[0])))
	}
	if strings.HasPrefix(asked.Model, "signed") {
		resp := sha256.New()
		for _, c := range chunks {
			resp.Write(c)
		}
		req := sha256.Sum256(body)
		m.mu.Lock()
		m.nextID++
		id := fmt.Sprintf("bench-%d", m.nextID)
		m.texts[id] = hex.EncodeToString(req[:]) + ":" + hex.EncodeToString(resp.Sum(nil))
		m.mu.Unlock()
		w.Header()["Zg-Res-Key"] = []string{id}
	}
	for _, c := range chunks {
		if _, err := w.Write(c); err != nil {
			return
		}
		if asked.Stream {
			w.(http.Flusher).Flush()
		}
	}
}

func (m *mock) signature(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	m.mu.Lock()
	text, ok := m.texts[id]
	delete(m.texts, id)
	m.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	sig, err := crypto.Sign(accounts.TextHash([]byte(text)), m.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sig[64] += 27
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{ // benchmark
		"text": text, "signature": hexutil.Encode(sig), "signing_address": crypto.PubkeyToAddress(m.key.PublicKey).Hex(), "signing_algo": "ecdsa",
	})
}

// bare is the yardstick: the standard library's reverse proxy with immediate flushing, and with full duplex so that it
// does not cut streams that are answered at once.
func bare(upstream string) (http.Handler, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	rp := &httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/bench/mallocs", func(w http.ResponseWriter, _ *http.Request) {
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		_, _ = fmt.Fprint(w, ms.Mallocs) // benchmark
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		rp.ServeHTTP(w, r)
	})
	return mux, nil
}

// child serves the mock or the bare proxy as a process of its own until standard input closes, and prints its address.
func child(ctx context.Context, role, arg string) error {
	var h http.Handler
	var err error
	switch role {
	case "mock":
		key, keyErr := crypto.HexToECDSA(arg)
		h, err = &mock{key: key, texts: map[string]string{}}, keyErr
	case "bare":
		h, err = bare(arg)
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, l.Addr()); err != nil {
		return err
	}
	srv := &http.Server{Handler: h} //nolint:gosec // loopback, benchmark only
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent is gone
		_ = srv.Close()                      // ends Serve
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
