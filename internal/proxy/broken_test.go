package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What came before an error in a stream, and the error as brokers write it.
const (
	pieces    = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"one \"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"two\"}}]}\n\n"
	inMessage = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
	bareError = `{"error":"dial tcp 10.0.0.7:8000: the model server has gone away"}`
)

// rawStream is an upstream that answers with a stream.
func rawStream(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body)
	}
}

func TestAnErrorInAStreamIsACut(t *testing.T) {
	const done = "data: [DONE]\n\n"
	for _, tc := range []struct {
		name, path, before, failure string
		kind                        string // of the error told
		says                        string // what of the provider's words
		stripped                    bool   // the caller did not ask for the usage
	}{
		{name: "a bare line", before: pieces, failure: bareError, kind: typeServer},
		{name: "a bare line, with the filter", before: pieces, failure: bareError, kind: typeServer, stripped: true},
		{name: "a bare line and [DONE]", before: pieces, failure: bareError + "\n\n" + done, kind: typeServer},
		{name: "a bare object", before: pieces, failure: `{"error":{"message":"CUDA out of memory at 10.0.0.7"}}`, kind: typeServer},
		{name: "data", before: pieces, failure: "data: " + bareError + "\n\n" + done, kind: typeServer},
		{name: "an object as data", before: pieces, failure: `data: {"error":{"message":"Insufficient Balance 10.0.0.7","code":402}}` + "\n\n" + done, kind: typeServer},
		{
			name: "what every chunk has", before: pieces,
			failure: `data: {"id":"c","error":{"code":502,"message":"10.0.0.7"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}` + "\n\n" + done, kind: typeServer,
		},
		{name: "about the request", before: pieces, failure: `data: {"error":{"message":"maximum context length is 10","type":"BadRequestError","code":400}}` + "\n\n", kind: typeRequest, says: "maximum context length is 10"},
		{name: "messages, a bare line", path: messagesPath, before: inMessage, failure: bareError, kind: "api_error"},
		{name: "messages, data without a name", path: messagesPath, before: inMessage, failure: `data: {"error":{"message":"10.0.0.7"}}` + "\n\n", kind: "api_error"},
		{name: "messages, an event", path: messagesPath, before: inMessage, failure: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"10.0.0.7\"}}\n\n", kind: "api_error"},
		{name: "messages, about the request", path: messagesPath, before: inMessage, failure: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"too long\"}}\n\n", kind: "invalid_request_error", says: "too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, rawStream(tc.before+tc.failure), nil)
			path, ask := "/v1/chat/completions", `{"model":"chat-1","stream":true,"stream_options":{"include_usage":true},"messages":[]}`
			if tc.path != "" {
				path, ask = tc.path, `{"model":"chat-1","stream":true,"max_tokens":9,"messages":[]}`
			}
			if tc.stripped {
				ask = `{"model":"chat-1","stream":true,"messages":[]}`
			}
			resp, body, readErr := r.askedAt(path, ask)
			rest, ok := strings.CutPrefix(body, tc.before)
			if !ok || readErr == nil || strings.Contains(rest, "[DONE]") || strings.Contains(rest, "10.0.0.7") {
				t.Fatalf("%v, and %q; want a broken connection behind what had come", readErr, body)
			}
			if rest = strings.TrimSpace(rest); tc.path != "" {
				if rest, ok = strings.CutPrefix(rest, "event: error\n"); !ok {
					t.Errorf("no event: error before %q", rest)
				}
			}
			var told struct {
				Error struct{ Type, Code, Message string }
			}
			if err := json.Unmarshal([]byte(strings.TrimPrefix(rest, "data: ")), &told); err != nil || told.Error.Type != tc.kind || !strings.Contains(told.Error.Message, tc.says) ||
				(tc.path == "" && told.Error.Code != "truncated") {
				t.Errorf("told %q, %v; want a %s with %q", rest, err, tc.kind, tc.says)
			}
			sum := sha256.Sum256([]byte(tc.before + tc.failure))
			if rec := r.record(resp); rec.Error != "truncated" || rec.Fee.IsZero() || rec.ResponseSHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("booked %+v, want a cut stream with a fee and the digest of the provider's bytes", rec)
			}
			if rec, ok, err := r.store.Receipt(t.Context(), resp.Header.Get("X-Request-Id")); err != nil || !ok || rec.Complete {
				t.Errorf("receipt %+v, %v, found %v; want one that is not complete", rec, err, ok)
			}
		})
	}
}

// An error before the first event leaves the choice of another provider.
func TestAnErrorInsteadOfAStream(t *testing.T) {
	const ask = `{"model":"chat-1","stream":true,"messages":[{"role":"user","content":"hi"}],"max_tokens":10}`
	c := newChain3(t, nil, rawStream(bareError), rawStream("event: error\ndata: {\"error\":\"x\"}\n\n"), rawStream(streamed))
	if resp, text := c.chat(ask); resp.StatusCode != http.StatusOK || !strings.HasSuffix(text, "[DONE]\n\n") || c.counts() != "1 1 1" {
		t.Errorf("answered %d %q, asked %s", resp.StatusCode, text, c.counts())
	}

	c = newChain3(t, nil, rawStream(`data: {"error":{"message":"max_tokens is too large","type":"invalid_request_error"}}`+"\n\n"), good, good)
	resp, text := c.chat(ask)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "max_tokens is too large") || c.counts() != "1 0 0" {
		t.Errorf("answered %d %q, asked %s; want the caller's own fault told", resp.StatusCode, text, c.counts())
	}
}

// A document that its provider ends in the middle, with the error of its model server or without, is a cut: an error
// where nothing has gone out yet, else a broken connection.
func TestADocumentThatEndsInAnError(t *testing.T) {
	large := `{"id":"c","choices":[{"message":{"content":"` + strings.Repeat("word ", maxHeld/4)
	for _, tc := range []struct {
		name, sent string
		begun      bool
	}{
		{name: "between values", sent: `{"id":"c","choices":[{"message":{"content":"one"}},` + "\n" + bareError},
		{name: "within a string", sent: `{"id":"c","choices":[{"message":{"content":"one tw` + "\n" + bareError},
		{name: "without a word", sent: `{"id":"c","choices":[`},
		{name: "of a large one", sent: large + "\n" + bareError, begun: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tc.sent)
			}, nil)
			resp, body, readErr := r.asked(`{"model":"chat-1","messages":[]}`)
			switch {
			case tc.begun && (resp.StatusCode != http.StatusOK || readErr == nil):
				t.Errorf("%d, %v; want a broken connection", resp.StatusCode, readErr)
			case !tc.begun && (resp.StatusCode != http.StatusBadGateway || readErr != nil || !strings.Contains(body, `"truncated"`) || strings.Contains(body, "10.0.0.7")):
				t.Errorf("%d %.200s, %v; want an error of ours", resp.StatusCode, body, readErr)
			}
			if rec := r.record(resp); rec.Error != "truncated" || rec.Fee.IsZero() {
				t.Errorf("booked %+v, want a cut answer with a fee", rec)
			}
		})
	}
}
