package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// court is a check of signatures whose verdicts the test decides.
type court struct {
	mu       sync.Mutex
	says     zg.Judgement  // empty: it comes too late
	wait     chan struct{} // closed or sent to before a verdict is given; nil: at once
	judged   []Answered    // was waited for
	answered []Answered    // was not
}

func (c *court) config(enforce bool) func(*Config) {
	return func(cfg *Config) {
		cfg.Enforce, cfg.HoldBytes = enforce, 1<<20
		cfg.Judge = func(ctx context.Context, a *Answered) zg.Judgement {
			c.mu.Lock()
			c.judged = append(c.judged, *a)
			says, wait := c.says, c.wait
			c.mu.Unlock()
			if wait != nil {
				<-wait
			}
			if says.Verdict == "" {
				<-ctx.Done()
				return zg.Judgement{Verdict: zg.VerdictUnavailable, Code: "timeout"}
			}
			return says
		}
		cfg.Answered = func(a *Answered) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answered = append(c.answered, *a)
		}
	}
}

// heard is how many answers were judged while somebody waited, and how many others were handed over, since the last
// time.
func (c *court) heard() (judged, answered int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	judged, answered = len(c.judged), len(c.answered)
	c.judged, c.answered = nil, nil
	return judged, answered
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	hanging := time.After(3 * time.Minute)
	for !f() {
		select {
		case <-hanging:
			t.Fatal(what)
		case <-tick.C:
		}
	}
}

// court makes a rig whose verdicts the test decides and whose callers have little patience.
func (c *court) rig(t *testing.T, enforce bool, upstream http.HandlerFunc, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, upstream, func(cfg *Config) {
		c.config(enforce)(cfg)
		if change != nil {
			change(cfg)
		}
	})
	r.server.enforceWait, r.server.trailerWait = 50*time.Millisecond, 50*time.Millisecond
	if !enforce {
		r.server.enforceWait = -1
	}
	return r
}

const (
	verdictWord   = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n"
	verdictFinish = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	verdictUsage  = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\n"
	verdictDone   = "data: [DONE]\n\n"
	verdictStream = verdictWord + verdictWord + verdictFinish + verdictUsage + verdictDone
)

// verdicts are the two headers, or trailers, that tell what a signature showed.
func verdicts(h http.Header) string {
	return strings.TrimSpace(h.Get("X-Zgproxy-Verdict") + " " + h.Get("X-Zgproxy-Verdict-Code"))
}

func serveBody(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", contentType)
		for rest := body; rest != ""; {
			n := min(len(rest), 50_000)
			_, _ = io.WriteString(w, rest[:n])
			w.(http.Flusher).Flush()
			rest = rest[n:]
		}
	}
}

func TestVerdictOfEachAnswer(t *testing.T) {
	const (
		doc, large, stream, stripped = "document", "large document", "stream", "stream, usage not asked for"
	)
	var contentType, body string // served next
	serve := func(w http.ResponseWriter, req *http.Request) { serveBody(contentType, body)(w, req) }
	var c court
	rigs := map[bool]*rig{false: c.rig(t, false, serve, nil), true: c.rig(t, true, serve, nil)}
	bodies := map[string]string{doc: answer, large: longAnswer, stream: verdictStream, stripped: verdictStream}
	for _, v := range []struct {
		name string
		says zg.Judgement
		pass bool
		told string
	}{
		{"verified", zg.Judgement{Verdict: zg.VerdictVerified}, true, "verified"},
		{"re-encoded", zg.Judgement{Verdict: zg.VerdictVerified, Code: "request_reencoded"}, true, "verified request_reencoded"},
		{"response", zg.Judgement{Verdict: zg.VerdictResponse, Code: "request_differs"}, true, "response-verified request_differs"},
		{"changed signer", zg.Judgement{Verdict: zg.VerdictVerified, Code: zg.CodeSignerChanged}, false, "verified signer_changed"},
		{"invalid", zg.Judgement{Verdict: zg.VerdictInvalid, Code: "response_mismatch"}, false, "invalid response_mismatch"},
		{"replayed", zg.Judgement{Verdict: zg.VerdictReplayed, Code: "answer_replayed"}, false, "replayed answer_replayed"},
		{"signer only", zg.Judgement{Verdict: zg.VerdictSignerOnly, Code: "unknown_text"}, false, "signer-only unknown_text"},
		{"unavailable", zg.Judgement{Verdict: zg.VerdictUnavailable, Code: "no_signature"}, false, "unavailable no_signature"},
		{"too late", zg.Judgement{}, false, "unavailable timeout"},
	} {
		for _, enforce := range []bool{false, true} {
			for kind := range bodies {
				contentType, body = "application/json", bodies[kind]
				if kind == stream || kind == stripped {
					contentType = "text/event-stream"
				}
				c.mu.Lock()
				c.says = v.says
				c.mu.Unlock()
				name := map[bool]string{true: "enforce", false: "observe"}[enforce] + "/" + kind + "/" + v.name
				t.Run(name, func(t *testing.T) {
					r := rigs[enforce]
					outer := r.TB
					r.TB = t
					defer func() { r.TB = outer }()
					for _, trailers := range []bool{false, true} {
						ask, header := `{"model":"chat-1"}`, []string(nil)
						switch kind {
						case stream:
							ask = `{"model":"chat-1","stream":true,"stream_options":{"include_usage":true}}`
						case stripped:
							ask = `{"model":"chat-1","stream":true}`
						}
						if trailers {
							header = []string{"TE", "trailers"}
						}
						resp, text, err := r.asked(ask, header...)
						rec := r.record(resp)
						if rec.Basis != zg.FeeExact || *rec.Fee != zg.NeuronOf(50) || rec.Error != "" {
							t.Errorf("record = %+v, want the exact fee, whatever the verdict", rec)
						}
						want := body
						if kind == stripped {
							want = strings.Replace(body, verdictUsage, "", 1)
						}
						inTrailer, waited := "", enforce
						switch {
						case enforce && !v.pass && contentType == "application/json":
							checkRefusal(t, resp, text, err, v.told)
							if fees(resp.Header) != "50 exact" || resp.Header.Get("X-Zgproxy-Provider") != cheap.Hex() {
								t.Errorf("header = %v, want what it cost and whose answer it was", resp.Header)
							}
						case enforce && !v.pass:
							checkBrokenOff(t, text, err, verdictWord+verdictWord)
						default:
							if err != nil || text != want || resp.StatusCode != http.StatusOK {
								t.Errorf("%d, %d bytes, %v; want the provider's %d", resp.StatusCode, len(text), err, len(want))
							}
							if trailers && (contentType != "application/json" || (kind == large && !enforce)) {
								inTrailer, waited = v.told, true
								if !enforce && v.says.Verdict == "" {
									inTrailer = "pending" // nothing hangs on it, and it may still come
								}
							}
						}
						inHeader := ""
						switch {
						case contentType != "application/json" && enforce, kind == doc && !enforce:
							inHeader = "pending"
						case enforce:
							inHeader = v.told
						}
						if got := verdicts(resp.Header); got != inHeader {
							t.Errorf("the header tells %q, want %q", got, inHeader)
						}
						if got := verdicts(resp.Trailer); got != inTrailer {
							t.Errorf("the trailer tells %q, want %q", got, inTrailer)
						}
						judged, answered := 0, 0
						until(t, "the exchange was handed over to nobody", func() bool {
							j, a := c.heard()
							judged, answered = judged+j, answered+a
							return judged+answered > 0
						})
						if (judged == 1) != waited || judged+answered != 1 {
							t.Errorf("%d judged, %d handed over; waited for: %v", judged, answered, waited)
						}
					}
					until(t, "memory is not given back", func() bool { n, _ := r.server.memory.Used(); return n == 0 })
				})
			}
		}
	}
}

// checkRefusal wants an answer to be withheld as a whole.
func checkRefusal(t *testing.T, resp *http.Response, text string, err error, told string) {
	t.Helper()
	var e struct {
		Error struct{ Message, Type, Code string }
	}
	if jsonErr := json.Unmarshal([]byte(text), &e); err != nil || jsonErr != nil {
		t.Fatalf("%d %q, %v; want OpenAI's error object", resp.StatusCode, text, err)
	}
	m := e.Error.Message
	if resp.StatusCode != http.StatusBadGateway || e.Error.Type != typeServer || e.Error.Code != "answer_not_verified" || resp.Header.Get("X-Zgproxy-Error") != e.Error.Code {
		t.Errorf("%d %+v, want 502 answer_not_verified", resp.StatusCode, e.Error)
	}
	for _, word := range append(strings.Fields(told)[1:], "ZGPROXY_VERIFY=enforce", "0.00000000000000005 0G is recorded", resp.Header.Get("X-Request-Id")) {
		if !strings.Contains(m, word) {
			t.Errorf("the message %q does not say %q", m, word)
		}
	}
	if strings.Contains(text, `"hi"`) || strings.Contains(text, "long long") || resp.Header.Get("Zg-Res-Key") != "" {
		t.Errorf("part of the answer went out: %.300q", text)
	}
}

// checkBrokenOff wants a stream whose end is withheld: no client may take it for whole.
func checkBrokenOff(t *testing.T, text string, err error, passed string) {
	t.Helper()
	rest, ok := strings.CutPrefix(text, passed)
	if err == nil || !ok {
		t.Fatalf("the caller got %q, %v; want the words, an error, and no clean end", text, err)
	}
	var e struct {
		Error struct{ Message, Code string }
	}
	event, ok := strings.CutPrefix(strings.TrimSpace(rest), "data: ")
	if jsonErr := json.Unmarshal([]byte(event), &e); !ok || jsonErr != nil || e.Error.Code != "answer_not_verified" || !strings.HasPrefix(e.Error.Message, "Do not use") {
		t.Errorf("the stream ends with %q, want an error event", rest)
	}
}

// Words are not kept waiting, and the end is, for as long as the verdict takes.
func TestEnforcedStreamFlowsUntilItsEnd(t *testing.T) {
	read := make(chan struct{})
	c := &court{says: zg.Judgement{Verdict: zg.VerdictVerified}, wait: make(chan struct{})}
	r := c.rig(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(verdictStream))) // no caller may count on it
		for range 2 {
			_, _ = io.WriteString(w, verdictWord)
			w.(http.Flusher).Flush()
			<-read
		}
		_, _ = io.WriteString(w, verdictFinish+verdictUsage+verdictDone)
	}, nil)
	r.server.enforceWait = time.Hour
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(`{"model":"chat-1","stream":true}`))
	must(t, err)
	resp, err := r.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for range 2 { // hangs for ever if words are held
		word := make([]byte, len(verdictWord))
		if _, err := io.ReadFull(in, word); err != nil || string(word) != verdictWord {
			t.Fatalf("%q, %v; want a word", word, err)
		}
		read <- struct{}{}
	}
	until(t, "nothing was judged", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.judged) == 1
	})
	if n := in.Buffered(); n != 0 {
		t.Errorf("%d bytes came before the verdict", n)
	}
	if rec := r.record(resp); rec.State == "open" {
		t.Error("it was not booked before it was judged")
	}
	close(c.wait)
	if rest, err := io.ReadAll(in); err != nil || string(rest) != verdictFinish+verdictDone {
		t.Errorf("after the verdict came %q, %v", rest, err)
	}
}

func TestEnforcedAnswerIsTruncated(t *testing.T) {
	var contentType, part string
	c := &court{says: zg.Judgement{Verdict: zg.VerdictVerified}}
	r := c.rig(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, part)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	for _, tc := range []struct{ name, contentType, part, body string }{
		{"document", "application/json", answer[:40], `{"model":"chat-1"}`},
		{"large document", "application/json", longAnswer[:maxHeld+8192], `{"model":"chat-1"}`},
		{"stream in its words", "text/event-stream", verdictWord, `{"model":"chat-1","stream":true}`},
		{"stream in its end", "text/event-stream", verdictWord + verdictFinish, `{"model":"chat-1","stream":true}`},
	} {
		contentType, part = tc.contentType, tc.part
		r.forget()
		resp, text, err := r.asked(tc.body, "TE", "trailers")
		if strings.Contains(tc.name, "document") {
			if err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, `"truncated"`) {
				t.Errorf("%s: %d %.200s, %v; want 502 truncated", tc.name, resp.StatusCode, text, err)
			}
		} else if err == nil || !strings.HasPrefix(text, verdictWord) || !strings.Contains(text, `"truncated"`) || strings.Contains(text, `"stop"`) {
			t.Errorf("%s: the caller got %q, %v; want the word and an error, broken off", tc.name, text, err)
		}
		if rec := r.record(resp); rec.Basis != zg.FeeEstimated || rec.Error != "truncated" {
			t.Errorf("%s: record = %+v, want an estimate, truncated", tc.name, rec)
		}
	}
	if judged, answered := c.heard(); judged+answered != 0 {
		t.Errorf("%d judged, %d handed over; want none: what is cut cannot be checked", judged, answered)
	}
}

// A caller that leaves is not waited for; what it did not get is checked beside it.
func TestCallerLeavesAnEnforcedStream(t *testing.T) {
	left := make(chan struct{})
	c := &court{says: zg.Judgement{Verdict: zg.VerdictInvalid, Code: "wrong_signer"}}
	r := c.rig(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, verdictWord)
		w.(http.Flusher).Flush()
		<-left
		for range 2000 {
			_, _ = io.WriteString(w, verdictWord)
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, verdictFinish+verdictUsage+verdictDone)
	}, func(cfg *Config) { cfg.DrainBytes = 16 << 20 })
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(`{"model":"chat-1","stream":true}`))
	must(t, err)
	resp, err := r.client.Do(req)
	must(t, err)
	if _, err := io.ReadFull(resp.Body, make([]byte, len(verdictWord))); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = resp.Body.Close() // its connection is given up
	close(left)
	until(t, "the answer was not handed over", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.answered) == 1
	})
	if rec := r.record(resp); rec.Basis != zg.FeeExact || rec.Error != "caller_left" {
		t.Errorf("record = %+v, want the exact fee", rec)
	}
	if judged, _ := c.heard(); judged != 0 {
		t.Errorf("%d judged, want none: nobody waits", judged)
	}
}

func TestAnswersTooLargeToHold(t *testing.T) {
	var contentType, body string
	c := &court{says: zg.Judgement{Verdict: zg.VerdictVerified}}
	var others int64
	budget := memory.New(4 << 20)
	r := c.rig(t, true, func(w http.ResponseWriter, req *http.Request) {
		budget.Keep(others) // after this request was let in
		serveBody(contentType, body)(w, req)
	}, func(cfg *Config) { cfg.HoldBytes, cfg.Memory = 200_000, budget })
	r.server.memoryWait = time.Millisecond
	document := func(size int) string {
		return strings.Replace(answer, `"hi"`, `"`+strings.Repeat("x", size-len(answer)+2)+`"`, 1)
	}
	tail := verdictWord + verdictFinish + strings.Repeat(verdictWord, 1000) + verdictUsage + verdictDone
	for _, tc := range []struct {
		name, body, ask string
		others          int64 // taken by other answers
		status          int
		code            string
	}{
		{"as large as may be", document(200_000), `{"model":"chat-1"}`, 0, http.StatusOK, ""},
		{"a byte more", document(200_001), `{"model":"chat-1"}`, 0, http.StatusBadGateway, "answer_too_large_to_hold"},
		{"much more", document(900_000), `{"model":"chat-1"}`, 0, http.StatusBadGateway, "answer_too_large_to_hold"},
		{"beside others", document(100_000), `{"model":"chat-1"}`, 4 << 20, http.StatusServiceUnavailable, "too_many_answers_held"},
		{"small, beside others", answer, `{"model":"chat-1"}`, 4 << 20, http.StatusOK, ""},
		{"stream with much behind its end", tail, `{"model":"chat-1","stream":true}`, 0, http.StatusOK, "answer_too_large_to_hold"},
		{"stream of two choices", tail, `{"model":"chat-1","stream":true,"n":2}`, 0, http.StatusOK, ""},
		{"stream of two choices, beside others", tail, `{"model":"chat-1","stream":true,"n":2}`, 4 << 20, http.StatusOK, "too_many_answers_held"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			contentType, body = "application/json", tc.body
			streams := strings.Contains(tc.ask, "stream")
			if streams {
				contentType = "text/event-stream"
			}
			others = tc.others
			resp, text, err := r.asked(tc.ask)
			want := strings.Replace(tc.body, verdictUsage, "", 1)
			switch {
			case tc.code == "":
				if err != nil || text != want {
					t.Errorf("the caller got %d of %d bytes, %v", len(text), len(want), err)
				}
			case !strings.Contains(text, `"`+tc.code+`"`) || !strings.Contains(text, "0.00000000000000005 0G is recorded") || len(text) > 2000:
				t.Errorf("the caller got %.900q, want %s and what it cost", text, tc.code)
			}
			if resp.StatusCode != tc.status || (err != nil) != (tc.code != "" && streams) {
				t.Errorf("%d, %v; want %d", resp.StatusCode, err, tc.status)
			}
			if rec := r.record(resp); rec.Basis != zg.FeeExact || *rec.Fee != zg.NeuronOf(50) || rec.Error != tc.code {
				t.Errorf("record = %+v, want the exact fee, and %q", rec, tc.code)
			}
			until(t, "the answer was handed over to nobody", func() bool {
				judged, answered := c.heard()
				if judged+answered > 0 && (judged == 1) != (tc.code == "") {
					t.Errorf("%d judged, %d handed over", judged, answered)
				}
				return judged+answered > 0
			})
			until(t, "memory is not given back", func() bool { n, _ := budget.Used(); return n == others })
			budget.Give(others)
		})
	}
}

// What cannot be told from an answer is read on for no longer than after a caller that left.
func TestRefusedAnswerIsNotReadForEver(t *testing.T) {
	c := &court{}
	r := c.rig(t, true, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for req.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return
			}
		}
	}, func(cfg *Config) { cfg.DrainBytes = 1 << 20 })
	resp, text, err := r.asked(`{"model":"chat-1"}`)
	if err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, "answer_too_large_to_hold") {
		t.Errorf("%d %.300q, %v; want 502 answer_too_large_to_hold", resp.StatusCode, text, err)
	}
	if rec := r.record(resp); rec.Basis != zg.FeeEstimated || rec.ResponseBytes > 4<<20 {
		t.Errorf("record = %+v, want an estimate", rec)
	}
}

// Without a signature there is nothing to wait for.
func TestUnsignedAnswers(t *testing.T) {
	for _, enforce := range []bool{false, true} {
		c := &court{}
		r := c.rig(t, enforce, serveBody("application/json", answer), func(cfg *Config) {
			cfg.Verdict = func(*Answered) zg.Judgement { return zg.Judgement{Verdict: zg.VerdictNotSigned} }
		})
		resp, text, err := r.asked(`{"model":"chat-1"}`)
		if enforce {
			checkRefusal(t, resp, text, err, "not-signed")
		} else if err != nil || text != answer {
			t.Errorf("the caller got %q, %v", text, err)
		}
		if got := verdicts(resp.Header); got != "not-signed" {
			t.Errorf("enforce %v: the header tells %q, want not-signed", enforce, got)
		}
		if rec := r.record(resp); rec.Verdict != zg.VerdictNotSigned {
			t.Errorf("record = %+v, want not-signed", rec)
		}
		if judged, answered := c.heard(); judged+answered != 0 {
			t.Errorf("%d judged, %d handed over; want none", judged, answered)
		}
	}
}

func TestNoVerdictWhereNothingIsChecked(t *testing.T) {
	r := newRig(t, serveBody("application/json", longAnswer), func(cfg *Config) { cfg.Verdict = nil })
	resp, _, err := r.asked(`{"model":"chat-1"}`, "TE", "trailers")
	if _, announced := resp.Trailer["X-Zgproxy-Verdict"]; err != nil || announced || verdicts(resp.Header) != "" || fees(resp.Trailer) == "" {
		t.Errorf("header %v, trailer %v, %v; want no verdict, and the fee", resp.Header, resp.Trailer, err)
	}
}

// Uploads are held like everything else, in whatever form they are answered.
func TestEnforcedTranscriptions(t *testing.T) {
	var contentType, body string
	c := &court{}
	r := c.rig(t, true, func(w http.ResponseWriter, req *http.Request) { serveBody(contentType, body)(w, req) }, nil)
	const begin, end = "{\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n", "{\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}\n"
	for _, tc := range []struct{ name, contentType, body, passes string }{
		{"text", "text/plain; charset=utf-8", "some words\n", ""},
		{"subtitles", "application/x-subrip", "1\n00:00:00,000 --> 00:00:02,500\nhello\n\n", ""},
		{"bytes", "application/octet-stream", strings.Repeat("bytes", 40_000), ""},
		{"lines", "application/x-ndjson", begin + end, begin},
		{"events", "text/event-stream", "data: " + begin + "\ndata: " + end + "\n", "data: " + begin + "\n"},
	} {
		for _, pass := range []bool{true, false} {
			contentType, body = tc.contentType, tc.body
			c.says = zg.Judgement{Verdict: zg.VerdictInvalid, Code: "wrong_signer"}
			if pass {
				c.says = zg.Judgement{Verdict: zg.VerdictVerified}
			}
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			must(t, w.WriteField("model", "hear-1"))
			must(t, w.Close())
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/audio/transcriptions", &form)
			must(t, err)
			req.Header.Set("Content-Type", w.FormDataContentType())
			resp, err := r.client.Do(req)
			must(t, err)
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // read to its end
			got := string(text)
			switch {
			case pass:
				if err != nil || got != tc.body || resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %d %q, %v; want the provider's bytes", tc.name, resp.StatusCode, got, err)
				}
			case tc.passes == "":
				if err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(got, "answer_not_verified") {
					t.Errorf("%s: %d %q, %v; want 502 answer_not_verified", tc.name, resp.StatusCode, got, err)
				}
			default:
				rest, ok := strings.CutPrefix(got, tc.passes)
				if err == nil || !ok || !strings.Contains(rest, "answer_not_verified") || strings.Contains(rest, "done") {
					t.Errorf("%s: %q, %v; want the beginning, an error, and no clean end", tc.name, got, err)
				}
				if tc.name == "lines" && !json.Valid([]byte(rest)) {
					t.Errorf("the last line is %q, want a document like the others", rest)
				}
			}
		}
	}
}

// Nothing hides the end of a stream from the one who has to hold it.
func TestEnforcedCodings(t *testing.T) {
	var contentType, coding string
	c := &court{says: zg.Judgement{Verdict: zg.VerdictVerified}}
	r := c.rig(t, true, func(w http.ResponseWriter, _ *http.Request) {
		body := map[string]string{"application/json": answer, "text/event-stream": verdictStream}[contentType]
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Encoding", coding)
		if coding == "gzip" {
			zw := gzip.NewWriter(w)
			_, _ = io.WriteString(zw, body)
			_ = zw.Close() // what comes of it is compared
			return
		}
		_, _ = io.WriteString(w, body)
	}, nil)
	for _, tc := range []struct{ contentType, coding, want string }{
		{"application/json", "gzip", answer},
		{"text/event-stream", "gzip", strings.Replace(verdictStream, verdictUsage, "", 1)},
		{"text/event-stream", "identity", strings.Replace(verdictStream, verdictUsage, "", 1)},
		{"text/event-stream", "br", "provider_encoding"},
	} {
		contentType, coding = tc.contentType, tc.coding
		resp, text, err := r.asked(`{"model":"chat-1","stream":true}`, "Accept-Encoding", "identity")
		if err != nil || (text != tc.want && !strings.Contains(text, `"`+tc.want+`"`)) {
			t.Errorf("%s, %s: %d %q, %v", tc.contentType, tc.coding, resp.StatusCode, text, err)
		}
	}
}

// The check gets the document where it may have to re-serialise it, and whatever else the record names.
func TestWhatTheCheckIsTold(t *testing.T) {
	var body string
	c := &court{says: zg.Judgement{Verdict: zg.VerdictVerified}}
	r := c.rig(t, false, func(w http.ResponseWriter, req *http.Request) { serveBody("application/json", body)(w, req) }, nil)
	base := r.server.Routes().Offers()[0].Service
	separated, relay := base, base
	separated.Info.TargetSeparated = true
	separated.Info.TargetTEEAddress = dear
	relay.Info.TargetSeparated, relay.Info.ProviderType = true, "centralized"
	for _, tc := range []struct {
		name string
		svc  zg.Service
		body string
		kept bool
	}{
		{"the model has its own enclave", separated, answer, true},
		{"too large to be held", separated, longAnswer, false},
		{"a relay", relay, answer, false},
		{"the provider signs", base, answer, false},
		{"not whole", separated, answer[:len(answer)-2], false},
	} {
		body = tc.body
		r.server.SetRoutes(route.Build(&zg.Directory{Block: 77, Services: []zg.Service{tc.svc}}, nil, route.Options{Allowed: []common.Address{cheap}}))
		_, _, err := r.asked(`{"model":"chat-1"}`)
		must(t, err)
		until(t, "the answer was not handed over", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.answered) == 1
		})
		if got := string(c.answered[0].Response); got != map[bool]string{true: tc.body}[tc.kept] {
			t.Errorf("%s: the check is told the answer %.200q, kept: %v", tc.name, got, tc.kept)
		}
		if n := c.answered[0].Offer.Block; n != 77 {
			t.Errorf("%s: the offer is of block %d, want that of the directory", tc.name, n)
		}
		c.heard()
	}
}

func TestAccessLineTellsTheVerdict(t *testing.T) {
	var log lines
	c := &court{says: zg.Judgement{Verdict: zg.VerdictInvalid, Code: "wrong_signer"}}
	r := c.rig(t, true, serveBody("application/json", answer), func(cfg *Config) { cfg.Log = zerolog.New(&log) })
	if _, _, err := r.asked(`{"model":"chat-1"}`); err != nil {
		t.Fatal(err)
	}
	until(t, "no access line tells the verdict", func() bool {
		line := log.String()
		return strings.Contains(line, `"verdict":"invalid","verdict_code":"wrong_signer"`) && strings.Contains(line, `"code":"answer_not_verified"`) &&
			strings.Contains(line, `"fee_neuron":"50"`) && !strings.Contains(line, `"hi"`)
	})
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// When the daemon stops, nobody is kept waiting for a verdict, and nothing unverified goes out.
func TestShutdownWhileAnAnswerIsJudged(t *testing.T) {
	c := &court{}
	r := c.rig(t, true, serveBody("application/json", answer), nil)
	r.server.enforceWait = time.Hour
	var stopping atomic.Bool
	go func() {
		until(t, "nothing was judged", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.judged) == 1
		})
		stopping.Store(true)
		r.server.Abort()
	}()
	resp, text, err := r.asked(`{"model":"chat-1"}`)
	checkRefusal(t, resp, text, err, "unavailable timeout")
	if !stopping.Load() {
		t.Error("it did not wait for the verdict")
	}
}

func TestVerifyRoute(t *testing.T) {
	known := map[string]zg.AnswerReceipt{}
	failing := false
	r := newRig(t, nil, func(cfg *Config) {
		cfg.Keys = []string{"local-key-1"}
		cfg.Receipt = func(_ context.Context, id string) (zg.AnswerReceipt, bool, error) {
			if failing {
				return zg.AnswerReceipt{}, false, errors.New("disk gone")
			}
			rec, ok := known[id]
			return rec, ok, nil
		}
	})
	ask := func(body string) (*http.Response, string) {
		t.Helper()
		return r.do(http.MethodPost, "/v1/verify", "application/json", strings.NewReader(body), "Authorization", "Bearer local-key-1")
	}
	yes, no := true, false
	for _, tc := range []struct {
		verdict zg.Verdict
		code    string
		valid   *bool
		says    string
	}{
		{zg.VerdictVerified, "", &yes, "exactly this request and this answer"},
		{zg.VerdictVerified, "seen_before", &yes, "signed for an earlier request"},
		{zg.VerdictResponse, "request_differs", &yes, "exactly this answer"},
		{zg.VerdictVerified, zg.CodeSignerChanged, &no, "not the accepted one"},
		{zg.VerdictInvalid, "wrong_signer", &no, "does not belong"},
		{zg.VerdictReplayed, "answer_replayed", &no, "given before"},
		{zg.VerdictSignerOnly, "unknown_text", nil, "cannot be compared"},
		{zg.VerdictUnavailable, "no_signature", nil, "nothing was shown"},
		{zg.VerdictNotSigned, "no_key", nil, "not signed"},
		{zg.VerdictPending, "", nil, "not checked yet"},
		{"", "", nil, "was not checked"},
	} {
		rec := zg.AnswerReceipt{Version: 1, ID: "req_1", ChatID: "chatcmpl-1", Provider: cheap.Hex(), Signer: dear.Hex(), Verdict: tc.verdict, VerdictCode: tc.code}
		known = map[string]zg.AnswerReceipt{"chatcmpl-1": rec, "req_1": rec}
		for _, body := range []string{`{"id":"chatcmpl-1"}`, `{"chatID":"chatcmpl-1"}`, `{"chat_id":"chatcmpl-1","x":1}`, `{"request_id":"req_1"}`} {
			resp, text := ask(body)
			var got struct {
				ID                                       string `json:"id"`
				RequestID                                string `json:"request_id"`
				IsValid                                  *bool  `json:"isValid"`
				Verdict, Code, Message, Provider, Signer string
				Receipt                                  zg.AnswerReceipt
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %s, %v", resp.StatusCode, text, err)
			}
			if (got.IsValid == nil) != (tc.valid == nil) || (got.IsValid != nil && *got.IsValid != *tc.valid) || !strings.Contains(text, `"isValid":`) {
				t.Errorf("%s %s: %s", tc.verdict, tc.code, text)
			}
			if got.Verdict != string(tc.verdict) || got.Code != tc.code || !strings.Contains(got.Message, tc.says) || !strings.Contains(body, got.ID) ||
				got.RequestID != "req_1" || got.Provider != cheap.Hex() || got.Signer != dear.Hex() || got.Receipt.ChatID != "chatcmpl-1" {
				t.Errorf("%s %s: %+v", tc.verdict, tc.code, got)
			}
			if later := resp.Header.Get("Retry-After") != ""; later != (tc.verdict == zg.VerdictPending) {
				t.Errorf("%s: Retry-After: %v", tc.verdict, later)
			}
		}
	}
	rec := known["req_1"]
	rec.Verdict, rec.Centralized = zg.VerdictVerified, true
	known["req_1"] = rec
	if _, text := ask(`{"id":"req_1"}`); !strings.Contains(text, "relay attested") {
		t.Errorf("a relay: %s, want it called one", text)
	}
	for _, tc := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"unknown", `{"id":"chatcmpl-2"}`, http.StatusNotFound, "unknown_answer"},
		{"impossible", `{"id":"../../etc/passwd"}`, http.StatusNotFound, "unknown_answer"},
		{"no id", `{"model":"x"}`, http.StatusBadRequest, "missing_id"},
		{"empty", ``, http.StatusBadRequest, "invalid_request"},
		{"not JSON", `{"id":`, http.StatusBadRequest, "invalid_request"},
		{"a number", `{"id":7}`, http.StatusBadRequest, "invalid_request"},
		{"a list", `["chatcmpl-1"]`, http.StatusBadRequest, "invalid_request"},
		{"too large", `{"id":"` + strings.Repeat("x", 70_000) + `"}`, http.StatusRequestEntityTooLarge, "request_too_large"},
	} {
		resp, text := ask(tc.body)
		if resp.StatusCode != tc.status || !strings.Contains(text, `"code":"`+tc.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", tc.name, resp.StatusCode, text, tc.status, tc.code)
		}
	}
	if resp, text := r.do(http.MethodPost, "/v1/verify", "application/json", strings.NewReader(`{"id":"req_1"}`)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %d %s", resp.StatusCode, text)
	}
	failing = true
	if resp, text := ask(`{"id":"req_1"}`); resp.StatusCode != http.StatusInternalServerError || strings.Contains(text, "disk") || !strings.Contains(text, "receipt_unreadable") {
		t.Errorf("a store that fails: %d %s", resp.StatusCode, text)
	}
}
