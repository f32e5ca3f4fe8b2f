package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// fees are the two headers, or trailers, that tell what an answer cost.
func fees(h http.Header) string {
	return strings.TrimSpace(h.Get("X-Zgproxy-Fee-Neuron") + " " + h.Get("X-Zgproxy-Fee-Basis"))
}

// asked sends a chat request as raw HTTP and reads the answer by hand where the client would hide something.
func (r *rig) asked(body string, header ...string) (resp *http.Response, text string, readErr error) {
	r.Helper()
	return r.askedAt("/v1/chat/completions", body, header...)
}

func (r *rig) askedAt(path, body string, header ...string) (resp *http.Response, text string, readErr error) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if resp, err = r.client.Do(req); err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	b, readErr := io.ReadAll(resp.Body)
	return resp, string(b), readErr
}

const streamed = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n" +
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n"

// longAnswer is more than is held.
var longAnswer = strings.Replace(answer, `"hi"`, `"`+strings.Repeat("long ", maxHeld/4)+`"`, 1)

func TestCostOfEachAnswer(t *testing.T) {
	var body, contentType string
	var length, zip bool
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		out := []byte(body)
		if zip {
			var b bytes.Buffer
			zw := gzip.NewWriter(&b)
			_, _ = zw.Write(out)
			_ = zw.Close() // into memory
			out = b.Bytes()
			w.Header().Set("Content-Encoding", "gzip")
		}
		if length {
			w.Header().Set("Content-Length", fmt.Sprint(len(out)))
		}
		for len(out) > 0 {
			n := min(len(out), 40_000)
			_, _ = w.Write(out[:n])
			w.(http.Flusher).Flush()
			out = out[n:]
		}
	}, nil)
	const json, events = "application/json", "text/event-stream"
	exact := "50 exact" // 10 tokens at 3, 5 at 4
	for _, tc := range []struct {
		name, contentType, body string
		length, zip             bool
		te                      string
		header, trailer         string
	}{
		{"document", json, answer, true, false, "", exact, ""},
		{"document of unknown length", json, answer, false, false, "", exact, ""},
		{"document, caller reads trailers", json, answer, true, false, "trailers", exact, ""},
		{"document, packed", json, answer, true, true, "", exact, ""},
		{"document without usage", json, `{"id":"c","choices":[{"message":{"content":"two words"}}]}`, true, false, "", "words estimated", ""},
		{"empty document", json, "", true, false, "", "bound estimated", ""},
		{"large document", json, longAnswer, true, false, "", "", ""},
		{"large document, trailers", json, longAnswer, true, false, "trailers", "", exact},
		{"large document, packed, trailers", json, longAnswer, true, true, "Trailers", "", exact},
		{"stream", events, streamed, false, false, "", "", ""},
		{"stream, trailers", events, streamed, false, false, "gzip, trailers", "", exact},
		{"stream, other coding", events, streamed, false, false, "deflate", "", ""},
		{"stream without usage, trailers", events, "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"two words\"}}]}\n\ndata: [DONE]\n\n", false, false, "trailers", "", "words estimated"},
		{"something else", "application/octet-stream", "bytes", true, false, "trailers", "", "bound estimated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, contentType, length, zip = tc.body, tc.contentType, tc.length, tc.zip
			ask, header := `{"model":"chat-1"}`, []string(nil)
			if tc.contentType == events {
				ask = `{"model":"chat-1","stream":true,"stream_options":{"include_usage":true}}`
			}
			if tc.te != "" {
				header = []string{"TE", tc.te}
			}
			resp, text, err := r.asked(ask, header...)
			if err != nil || text != tc.body {
				t.Errorf("the body is %d bytes, %v; want the provider's %d", len(text), err, len(tc.body))
			}
			rec := r.record(resp)
			// Without usage the provider bills the words of the answer.
			bound := strings.NewReplacer("bound", rec.Bound.String(), "words", rec.PriceOut.Mul(2).String()).Replace
			if got := fees(resp.Header); got != bound(tc.header) {
				t.Errorf("the header tells %q, want %q", got, bound(tc.header))
			}
			if got := fees(resp.Trailer); got != bound(tc.trailer) {
				t.Errorf("the trailer tells %q, want %q", got, bound(tc.trailer))
			}
			if said := tc.header + tc.trailer; said != "" && bound(said) != rec.Fee.String()+" "+string(rec.Basis) {
				t.Errorf("booked is %s %s", rec.Fee, rec.Basis)
			}
			// A length that was there stays, unless the bytes change or something follows them.
			want := int64(-1)
			if tc.length && !tc.zip && tc.trailer == "" {
				want = int64(len(tc.body))
			}
			if resp.ContentLength != want && want >= 0 {
				t.Errorf("Content-Length = %d, want %d", resp.ContentLength, want)
			}
			if tc.trailer != "" && resp.ContentLength != -1 {
				t.Errorf("Content-Length = %d beside a trailer", resp.ContentLength)
			}
			if tc.trailer == "" && len(resp.Trailer) != 0 {
				t.Errorf("trailers announced to a caller that does not read them: %v", resp.Trailer)
			}
		})
	}
}

func TestCostIsToldToOldCallersWithoutTrailers(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, longAnswer)
	}, nil)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // read to its end
	if _, err := io.WriteString(c, "POST /v1/chat/completions HTTP/1.0\r\nHost: 127.0.0.1\r\nTE: trailers\r\nContent-Length: 18\r\n\r\n{\"model\":\"chat-1\"}"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != longAnswer || len(resp.Trailer) != 0 {
		t.Errorf("HTTP/1.0 got %d bytes, %v, trailer %v; want the whole document and no trailer", len(text), err, resp.Trailer)
	}
}

func TestRefusalsPassedOnAreFree(t *testing.T) {
	status := 0
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":"no"}`)
	}, nil)
	for _, status = range []int{400, 429, 500} {
		r.forget()
		resp, _, err := r.asked(`{"model":"chat-1"}`)
		if got := fees(resp.Header); err != nil || got != "0 free" {
			t.Errorf("%d: the header tells %q, %v; want 0 free", status, got, err)
		}
		if rec := r.record(resp); rec.Basis != zg.FeeFree || rec.Error == "" {
			t.Errorf("record = %+v, want free, with the class of the refusal", rec)
		}
	}
	if resp, _, _ := r.asked(`{"model":"none"}`); fees(resp.Header) != "" {
		t.Errorf("an error of our own tells a fee: %q", fees(resp.Header))
	}
}

func TestTruncatedAnswersTellNoCost(t *testing.T) {
	var contentType, part string
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, part)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	for _, tc := range []struct{ name, contentType, part, body string }{
		{"document", "application/json", answer[:40], `{"model":"chat-1"}`},
		{"large document", "application/json", longAnswer[:maxHeld+8192], `{"model":"chat-1"}`},
		{"stream", "text/event-stream", streamed[:strings.Index(streamed, "\n\n")+2], `{"model":"chat-1","stream":true}`},
	} {
		contentType, part = tc.contentType, tc.part
		resp, text, err := r.asked(tc.body, "TE", "trailers")
		switch {
		case tc.name == "document":
			if err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, "truncated") {
				t.Errorf("%s: %d %s, %v; want 502 truncated: nothing of it had gone out", tc.name, resp.StatusCode, text, err)
			}
		case err == nil || !strings.HasPrefix(text, tc.part[:min(len(tc.part), maxHeld)]):
			t.Errorf("%s: the caller got %d bytes, %v; want the part that came, broken off", tc.name, len(text), err)
		}
		if fees(resp.Header) != "" || fees(resp.Trailer) != "" {
			t.Errorf("%s: cost told: %q, %q", tc.name, fees(resp.Header), fees(resp.Trailer))
		}
		if rec := r.record(resp); rec.Basis != zg.FeeEstimated || rec.Error != "truncated" {
			t.Errorf("%s: record = %+v, want an estimate, truncated", tc.name, rec)
		}
	}
}

func TestCallerLeavesADocument(t *testing.T) {
	began, left := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer[:40])
		w.(http.Flusher).Flush()
		close(began)
		<-left
		_, _ = io.WriteString(w, answer[40:])
	}, nil)
	ended := make(chan string, 1)
	handler := r.server.Handler()
	ctx, leave := context.WithCancel(t.Context())
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(w, req)
		ended <- w.Header().Get("X-Request-Id")
	})}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = front.Serve(l) }()   // until it is closed
	defer func() { _ = front.Close() }() // ends Serve
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+"/v1/chat/completions", strings.NewReader(`{"model":"chat-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-began; leave() }()
	if resp, err := r.client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Fatal("the document was answered before its end")
	}
	close(left)
	id := <-ended
	resp := &http.Response{Header: http.Header{"X-Request-Id": {id}}}
	if rec := r.record(resp); rec.Basis != zg.FeeExact || *rec.Fee != zg.NeuronOf(50) {
		t.Errorf("record = %+v, want the exact fee: the answer was read to its end", rec)
	}
}

// A provider that keeps the connection alive with white space is not held back for the sake of a header.
func TestSlowDocumentIsNotHeld(t *testing.T) {
	first := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.Repeat(" ", maxHeld))
		w.(http.Flusher).Flush()
		<-first
		_, _ = io.WriteString(w, answer)
	}, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(`{"model":"chat-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("TE", "trailers")
	resp, err := r.client.Do(req) // hangs for ever if everything is held
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	close(first)
	text, err := io.ReadAll(resp.Body)
	if err != nil || strings.TrimSpace(string(text)) != answer || fees(resp.Trailer) != "50 exact" {
		t.Errorf("%d bytes, %v, trailer %q; want all of it and what it cost", len(text), err, fees(resp.Trailer))
	}
}
