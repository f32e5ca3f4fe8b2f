package simprovider

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// messagesRequest is what of a request in Anthropic's dialect matters to the models here.
type messagesRequest struct {
	Model     string          `json:"model"`
	MaxTokens *float64        `json:"max_tokens"`
	System    json.RawMessage `json:"system"` // a string, or blocks
	Messages  []chatMessage   `json:"messages"`
	Stream    any             `json:"stream"` // only the JSON value true streams
	Tools     []struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Schema      map[string]any `json:"input_schema"`
	} `json:"tools"`
	ToolChoice struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
}

// messageBlock is a part of a message.
type messageBlock struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	Content json.RawMessage `json:"content"` // of a tool's result: a string, or blocks
	Input   json.RawMessage `json:"input"`   // of a call
}

// chat is the request as the chat models take it.
func (r *messagesRequest) chat() *chatRequest {
	c := &chatRequest{Model: r.Model, Stream: r.Stream, MaxTokens: r.MaxTokens}
	if len(r.System) > 0 {
		c.Messages = append(c.Messages, chatMessage{Role: "system", Content: r.System})
	}
	for _, m := range r.Messages {
		c.Messages = append(c.Messages, m.fromBlocks())
	}
	for _, t := range r.Tools {
		var tool chatTool
		tool.Function.Name, tool.Function.Description, tool.Function.Parameters = t.Name, t.Description, t.Schema
		c.Tools = append(c.Tools, tool)
	}
	switch r.ToolChoice.Type {
	case "any":
		c.ToolChoice = json.RawMessage(`"required"`)
	case "none":
		c.ToolChoice = json.RawMessage(`"none"`)
	case "tool":
		c.ToolChoice = encode(map[string]any{"function": map[string]string{"name": r.ToolChoice.Name}})
	}
	return c
}

// fromBlocks makes text of the calls of tools in a message, and of their results, which are a role of their own in
// chats.
func (m chatMessage) fromBlocks() chatMessage {
	var blocks []messageBlock
	if json.Unmarshal(m.Content, &blocks) != nil {
		return m
	}
	for i, b := range blocks {
		switch b.Type {
		case "tool_result":
			m.Role = "tool"
			text, _ := chatMessage{Content: b.Content}.text()
			blocks[i] = messageBlock{Type: "text", Text: text}
		case "tool_use":
			blocks[i] = messageBlock{Type: "text", Text: string(b.Input)}
		}
	}
	m.Content = encode(blocks)
	return m
}

// messages serves the same models as chat does, in Anthropic's dialect.
func (x *exchange) messages() error {
	var asked messagesRequest
	body, err := x.readJSON(&asked)
	if err != nil {
		return err
	}
	req := asked.chat()
	x.record.Stream = req.streams()
	if ended, err := x.markedFault(req); ended {
		return err
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	requestDigest, err := x.rewrite(body, false)
	if err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(requestDigest)
		return nil
	}
	if _, ok := req.maxTokens(); !ok {
		return modelError(http.StatusBadRequest, "BadRequestError", "max_tokens: Field required")
	}
	if len(asked.Messages) == 0 {
		return modelError(http.StatusBadRequest, "BadRequestError", "messages: at least one message is required")
	}
	answer := x.p.complete(req)
	release, err := x.p.limits.reserveTokens(answer.prompt + answer.limit)
	if err != nil {
		return err
	}
	defer release()
	if req.streams() {
		x.streamMessage(req.Model, answer, requestDigest)
		return nil
	}
	return x.wholeMessage(req.Model, answer, requestDigest)
}

type messageReply struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        *messageUsage  `json:"usage,omitempty"`
}

// contentBlock is text, or the call of a tool.
type contentBlock struct {
	Type  string          `json:"type"`
	Text  *string         `json:"text,omitempty"`
	ID    string          `json:"id,omitempty"`
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
}

// messageUsage counts input that was neither read from the cache nor written to it apart from what was.
type messageUsage struct {
	Input   uint64          `json:"input_tokens"`
	Created uint64          `json:"cache_creation_input_tokens"`
	Read    uint64          `json:"cache_read_input_tokens"`
	Cache   *cacheCreation  `json:"cache_creation,omitempty"`
	Output  uint64          `json:"output_tokens"`
	Raw     json.RawMessage `json:"-"` // all of it, where it is a lie
}

type cacheCreation struct {
	FiveMinutes uint64 `json:"ephemeral_5m_input_tokens"`
	Hour        uint64 `json:"ephemeral_1h_input_tokens"`
}

// MarshalJSON writes the figures, or the lie instead of them.
func (u messageUsage) MarshalJSON() ([]byte, error) {
	if u.Raw != nil {
		return u.Raw, nil
	}
	type plain messageUsage
	return json.Marshal(plain(u))
}

// messageUsage is what is billed for the answer.
func (x *exchange) messageUsage(c *completion, t *tally) zg.Usage {
	u := x.usage(c, t)
	if x.fault.Kind == CachedUsage {
		u.WriteTokens, u.Write1hTokens = c.prompt/8, c.prompt/8
	}
	return u
}

// reportedMessage is what the answer says of its usage, which a fault may make untrue.
func (x *exchange) reportedMessage(u zg.Usage) *messageUsage {
	u, raw := x.lie(u)
	if raw != nil {
		return &messageUsage{Raw: raw}
	}
	m := &messageUsage{Created: u.WriteTokens + u.Write1hTokens, Read: u.CachedTokens, Output: u.OutputTokens}
	m.Input = u.InputTokens - min(u.InputTokens, m.Created+m.Read)
	if m.Created > 0 {
		m.Cache = &cacheCreation{u.WriteTokens, u.Write1hTokens}
	}
	return m
}

// stopReason is the reason to have stopped.
func (c *completion) stopReason() *string {
	reason := map[string]string{"length": "max_tokens", "tool_calls": "tool_use", "stop": "end_turn"}[c.finish()]
	return &reason
}

// block is the one block of an answer.
func (c *completion) block(text string) contentBlock {
	if c.tool == nil {
		return contentBlock{Type: "text", Text: &text}
	}
	input := json.RawMessage(text)
	if !json.Valid(input) { // none yet, or cut off at the limit
		input = json.RawMessage("{}")
	}
	return contentBlock{Type: "tool_use", ID: "toolu_" + strings.TrimPrefix(c.tool.id, "call_"), Name: c.tool.name, Input: input}
}

// wholeMessage answers in one piece.
func (x *exchange) wholeMessage(model string, c *completion, requestDigest string) error {
	text, t, err := x.write(c)
	if err != nil {
		return err
	}
	reply := messageReply{
		ID: "chatcmpl-" + x.key, Type: "message", Role: "assistant", Model: model,
		Content: []contentBlock{c.block(text)}, StopReason: c.stopReason(),
	}
	u := x.messageUsage(c, t)
	if x.fault.Kind == NoUsage {
		u = zg.Usage{Words: t.words}
	} else {
		reply.Usage = x.reportedMessage(u)
	}
	x.answer(requestDigest, "application/json", encodePlain(reply), u)
	return nil
}

// streamMessage answers event by event. Once the client has left it goes on without one, as chats do.
func (x *exchange) streamMessage(model string, c *completion, requestDigest string) {
	var t tally
	s := x.openStream()
	whole := x.produceMessage(s, model, c, &t)
	u := x.messageUsage(c, &t)
	switch {
	case x.fault.Kind == NoUsage || s.place == 0:
		u = zg.Usage{Words: t.words}
	case !whole: // all that was seen is the usage at the start
		u.OutputTokens = 1
	}
	x.attest(requestDigest, x.out.digest())
	x.bill(u)
}

// produceMessage writes the events of an answer. It reports whether its final usage is among them.
func (x *exchange) produceMessage(s *eventStream, model string, c *completion, t *tally) bool {
	start := messageReply{ID: "msg_" + digestID(x.key), Type: "message", Role: "assistant", Model: model, Content: []contentBlock{}}
	if x.fault.Kind != NoUsage {
		u := x.messageUsage(c, t)
		u.OutputTokens = 1 // as the first event says it
		start.Usage = x.reportedMessage(u)
	}
	event := func(name string, more map[string]any) bool {
		more["type"] = name
		return s.named(name, encodePlain(more))
	}
	if !event("message_start", map[string]any{"message": start}) ||
		!event("content_block_start", map[string]any{"index": 0, "content_block": c.block("")}) ||
		!event("ping", map[string]any{}) {
		return false
	}
	for piece := range c.pieces {
		if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) || x.out.drained > maxDrain {
			return false
		}
		t.add(piece)
		delta := map[string]any{"type": "text_delta", "text": piece}
		if c.tool != nil {
			delta = map[string]any{"type": "input_json_delta", "partial_json": piece}
		}
		if !event("content_block_delta", map[string]any{"index": 0, "delta": delta}) {
			return false
		}
	}
	end := map[string]any{"delta": map[string]any{"stop_reason": c.stopReason(), "stop_sequence": nil}}
	if x.fault.Kind != NoUsage {
		told := x.reportedMessage(x.messageUsage(c, t))
		end["usage"] = map[string]any{"output_tokens": told.Output}
		if told.Raw != nil {
			end["usage"] = told
		}
	}
	if !event("content_block_stop", map[string]any{"index": 0}) || !event("message_delta", end) {
		return false
	}
	if event("message_stop", map[string]any{}) {
		s.close()
	}
	return true
}
