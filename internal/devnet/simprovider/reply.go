package simprovider

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The shapes of OpenAI's answers, keys in the order they are usually seen in.

type chatReply struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []replyChoice `json:"choices"`
	Usage   *usageReply   `json:"usage,omitempty"`
}

type replyChoice struct {
	Index        int          `json:"index"`
	Message      replyMessage `json:"message"`
	FinishReason string       `json:"finish_reason"`
}

type replyMessage struct {
	Role      string          `json:"role"`
	Content   *string         `json:"content"`
	ToolCalls []replyToolCall `json:"tool_calls,omitempty"`
}

type replyToolCall struct {
	Index    *int          `json:"index,omitempty"` // in streams only
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Function replyFunction `json:"function"`
}

type replyFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type usageReply struct {
	Prompt     uint64          `json:"prompt_tokens"`
	Completion uint64          `json:"completion_tokens"`
	Total      uint64          `json:"total_tokens"`
	Details    *usageDetails   `json:"prompt_tokens_details,omitempty"`
	Raw        json.RawMessage `json:"-"` // all of it, where it is a lie
}

// MarshalJSON writes the figures, or the lie instead of them.
func (u usageReply) MarshalJSON() ([]byte, error) {
	if u.Raw != nil {
		return u.Raw, nil
	}
	type plain usageReply
	return json.Marshal(plain(u))
}

type usageDetails struct {
	Cached uint64 `json:"cached_tokens"`
}

// encodePlain is JSON the way model servers write it, with < and & as themselves.
func encodePlain(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("simprovider: encode: " + err.Error()) // our own values can all be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// quote is a JSON string. Most tokens are plain letters, which need no encoder.
func quote(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return string(encodePlain(s))
		}
	}
	return `"` + s + `"`
}
