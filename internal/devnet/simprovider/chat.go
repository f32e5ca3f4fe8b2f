package simprovider

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// chatRequest is what of a chat completion request matters to the models here.
type chatRequest struct {
	Model         string          `json:"model"`
	Messages      []chatMessage   `json:"messages"`
	Stream        any             `json:"stream"` // only the JSON value true streams
	StreamOptions json.RawMessage `json:"stream_options"`
	MaxTokens     *float64        `json:"max_tokens"`
	MaxCompletion *float64        `json:"max_completion_tokens"`
	Tools         []chatTool      `json:"tools"`
	ToolChoice    json.RawMessage `json:"tool_choice"`
	Format        struct {
		Type   string `json:"type"`
		Schema struct {
			Schema map[string]any `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type chatTool struct {
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  map[string]any `json:"parameters"`
	} `json:"function"`
}

func (r *chatRequest) streams() bool { return r.Stream == true }

// wantsUsage reports whether a stream ends with a usage event.
func (r *chatRequest) wantsUsage() bool {
	var o struct {
		IncludeUsage bool `json:"include_usage"`
	}
	return json.Unmarshal(r.StreamOptions, &o) == nil && o.IncludeUsage
}

// maxTokens is the caller's limit on the output.
func (r *chatRequest) maxTokens() (n uint64, ok bool) {
	for _, v := range []*float64{r.MaxCompletion, r.MaxTokens} {
		if v != nil && *v >= 1 {
			return uint64(min(*v, 1<<40)), true
		}
	}
	return 0, false
}

// rewrite is the digest of the body as it goes to the model server. Providers that change anything decode the JSON and
// re-serialise it: keys sorted, no whitespace, numbers through floating point.
func (x *exchange) rewrite(body []byte, inject bool) (string, error) {
	cfg := &x.p.cfg
	if !inject && !cfg.ReencodeRequests && cfg.Canonical == "" && cfg.Centralized == nil && !x.p.separate() {
		return x.record.RequestSHA256, nil
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		return "", invalidJSON(err)
	}
	if inject {
		m["stream_options"] = map[string]any{"include_usage": true}
	}
	if cfg.Canonical != "" && m["model"] == cfg.Canonical {
		m["model"] = cfg.Model
	}
	upstream, err := json.Marshal(m)
	if err != nil {
		return "", invalidJSON(err)
	}
	return digest(upstream), nil
}

func invalidJSON(err error) error { return refuse("validate request: invalid JSON: " + err.Error()) }

// markedFault makes a request that asks for a fault get it, where there is no other. It reports whether the request has
// met its end by that.
func (x *exchange) markedFault(req *chatRequest) (ended bool, err error) {
	if x.fault.Kind != NoFault || len(req.Messages) == 0 {
		return false, nil
	}
	text, _ := req.lastText()
	x.fault.Kind = marked(text)
	x.record.Fault = x.fault.Kind
	if refusal := x.fault.refusal(); refusal != nil {
		return true, refusal
	}
	switch x.fault.Kind {
	case ResetBeforeHeaders:
		x.reset()
		return true, nil
	case DieBeforeFirstByte:
		x.die()
		return true, nil
	case Trickle:
		x.out.pause = x.pauseByte
	default:
	}
	return false, nil
}

func (x *exchange) chat() error {
	var req chatRequest
	body, err := x.readJSON(&req)
	if err != nil {
		return err
	}
	x.record.Stream = req.streams()
	if ended, err := x.markedFault(&req); ended {
		return err
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	inject := req.streams() && req.StreamOptions == nil
	requestDigest, err := x.rewrite(body, inject)
	if err != nil {
		return err
	}
	if inject {
		req.StreamOptions = json.RawMessage(`{"include_usage":true}`)
	}
	if x.fault.Raw != nil {
		x.raw(requestDigest)
		return nil
	}
	if len(req.Messages) == 0 {
		return modelError(http.StatusBadRequest, "BadRequestError", "messages must not be empty")
	}
	answer := x.p.complete(&req)
	release, err := x.p.limits.reserveTokens(answer.prompt + answer.limit)
	if err != nil {
		return err
	}
	defer release()
	if req.streams() {
		x.streamChat(&req, answer, requestDigest)
		return nil
	}
	return x.wholeChat(&req, answer, requestDigest)
}

// tally is what an answer has come to so far.
type tally struct {
	tokens, words uint64
	inWord        bool
}

// add counts one more token.
func (t *tally) add(piece string) {
	t.tokens++
	for _, r := range piece {
		space := unicode.IsSpace(r)
		if !space && !t.inWord {
			t.words++
		}
		t.inWord = !space
	}
}

// usage is what is billed for the answer.
func (x *exchange) usage(c *completion, t *tally) zg.Usage {
	u := zg.Usage{Seen: true, InputTokens: c.prompt, OutputTokens: t.tokens, Words: t.words}
	if x.fault.Kind == CachedUsage {
		u.CachedTokens = c.prompt / 2
	}
	return u
}

// lie is what is said instead of a usage: JSON as it is, or other figures, or the truth.
func (x *exchange) lie(u zg.Usage) (figures zg.Usage, raw json.RawMessage) {
	switch {
	case x.fault.Kind == ZeroUsage && x.fault.Body == "":
		u = zg.Usage{}
	case x.fault.Kind == ZeroUsage:
		raw = json.RawMessage(x.fault.Body)
	case x.fault.Kind != WrongUsage:
	case x.fault.Body != "":
		raw = json.RawMessage(x.fault.Body)
	case x.fault.Usage != (zg.Usage{}):
		u = x.fault.Usage
	default:
		u.InputTokens, u.OutputTokens = 2*u.InputTokens, 2*u.OutputTokens
	}
	return u, raw
}

// reported is what the answer says of its usage, which a fault may make untrue.
func (x *exchange) reported(u zg.Usage) *usageReply {
	u, raw := x.lie(u)
	if raw != nil {
		return &usageReply{Raw: raw}
	}
	reply := &usageReply{Prompt: u.InputTokens, Completion: u.OutputTokens, Total: u.InputTokens + u.OutputTokens}
	if u.CachedTokens > 0 {
		reply.Details = &usageDetails{Cached: u.CachedTokens}
	}
	return reply
}

// wholeChat answers in one piece.
func (x *exchange) wholeChat(req *chatRequest, c *completion, requestDigest string) error {
	text, t, err := x.write(c)
	if err != nil {
		return err
	}
	message := replyMessage{Role: "assistant"}
	if c.tool != nil {
		message.ToolCalls = []replyToolCall{c.tool.call(text)}
	} else {
		message.Content = &text
	}
	reply := chatReply{
		ID: "chatcmpl-" + x.key, Object: "chat.completion", Created: x.created(), Model: req.Model,
		Choices: []replyChoice{{Message: message, FinishReason: c.finish()}},
	}
	u := x.usage(c, t)
	if x.fault.Kind == NoUsage {
		u = zg.Usage{Words: t.words}
	} else {
		reply.Usage = x.reported(u)
	}
	if x.fault.Kind == ZeroUsage {
		u = zg.Usage{Words: t.words}
	}
	x.answer(requestDigest, "application/json", encodePlain(reply), u)
	return nil
}

// write has the model write all of its answer.
func (x *exchange) write(c *completion) (string, *tally, error) {
	var (
		text strings.Builder
		t    tally
	)
	for piece := range c.pieces {
		if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
			return "", nil, x.closing()
		}
		if text.Len() > maxDrain {
			break
		}
		text.WriteString(piece)
		t.add(piece)
	}
	return text.String(), &t, nil
}

// answer signs, bills and delivers a whole body.
func (x *exchange) answer(requestDigest, contentType string, body []byte, billed zg.Usage) {
	body = x.coded(body)
	x.attest(requestDigest, digest(x.signedForm(body)))
	x.bill(billed)
	x.deliver(contentType, body)
}

// coded is the body as it goes out.
func (x *exchange) coded(body []byte) []byte {
	if x.fault.Kind != Gzip {
		return body
	}
	x.w.Header().Set("Content-Encoding", "gzip")
	return compress(body)
}

func compress(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(b) // a buffer takes everything
	_ = w.Close()     // as above
	return z.Bytes()
}
