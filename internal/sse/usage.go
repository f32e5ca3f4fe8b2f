package sse

import (
	"encoding/json"
	"strconv"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// usageObject is every shape of usage that providers send.
type usageObject struct {
	Type                string       `json:"type"`
	PromptTokens        json.Number  `json:"prompt_tokens"`
	CompletionTokens    json.Number  `json:"completion_tokens"`
	InputTokens         *json.Number `json:"input_tokens"`
	OutputTokens        *json.Number `json:"output_tokens"`
	Seconds             json.Number  `json:"seconds"`
	CacheWrite          json.Number  `json:"cache_write_tokens"`
	CacheWrite1h        json.Number  `json:"cache_write_1h_tokens"`
	CacheCreationInput  json.Number  `json:"cache_creation_input_tokens"`
	CacheRead           json.Number  `json:"cache_read_input_tokens"`
	PromptTokensDetails struct {
		Cached       json.Number `json:"cached_tokens"`
		CacheWrite   json.Number `json:"cache_write_tokens"`
		CacheWrite1h json.Number `json:"cache_write_1h_tokens"`
	} `json:"prompt_tokens_details"`
	CacheCreation struct {
		FiveMinutes json.Number `json:"ephemeral_5m_input_tokens"`
		OneHour     json.Number `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

// usageReader puts together what the usage objects of one answer say.
type usageReader struct {
	usage zg.Usage
	// Anthropic counts the input in parts that do not overlap, and may tell them one by one.
	plain, read, written, written5m, written1h uint64
	openAI                                     bool // prompt_tokens was told, which is the whole input
}

// merge takes over what a usage object says. A later number wins unless it is zero; an object with a number that is not a
// plain count is not believed at all.
func (r *usageReader) merge(raw json.RawMessage) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var o usageObject
	if json.Unmarshal(raw, &o) != nil {
		return
	}
	ok := true
	count := func(n json.Number) uint64 {
		if n == "" {
			return 0
		}
		v, err := strconv.ParseUint(string(n), 10, 53)
		ok = ok && err == nil
		return v
	}
	keep := func(old *uint64, n uint64) {
		if n > 0 {
			*old = n
		}
	}
	next := *r
	u := &next.usage
	u.Seen = true
	prompt := count(o.PromptTokens)
	next.openAI = r.openAI || prompt > 0
	keep(&u.InputTokens, prompt)
	keep(&u.OutputTokens, count(o.CompletionTokens))
	keep(&u.CachedTokens, count(o.PromptTokensDetails.Cached))
	keep(&u.WriteTokens, max(count(o.CacheWrite), count(o.PromptTokensDetails.CacheWrite)))
	keep(&u.Write1hTokens, max(count(o.CacheWrite1h), count(o.PromptTokensDetails.CacheWrite1h)))
	if o.OutputTokens != nil {
		keep(&u.OutputTokens, count(*o.OutputTokens))
	}
	if o.InputTokens != nil {
		keep(&next.plain, count(*o.InputTokens))
	}
	keep(&next.read, count(o.CacheRead))
	keep(&next.written, count(o.CacheCreationInput))
	keep(&next.written5m, count(o.CacheCreation.FiveMinutes))
	keep(&next.written1h, count(o.CacheCreation.OneHour))
	if !next.openAI && next.plain+next.read+next.written > 0 {
		u.InputTokens, u.CachedTokens = next.plain+next.read+next.written, next.read
		if u.WriteTokens, u.Write1hTokens = next.written5m, next.written1h; next.written5m+next.written1h == 0 {
			u.WriteTokens = next.written // not told apart: the shorter-lived kind
		}
	}
	if o.Type == "duration" || (o.Type == "" && o.Seconds != "" && o.InputTokens == nil) {
		sec, err := o.Seconds.Float64()
		ok = ok && err == nil && sec >= 0
		u.Seconds, u.BySeconds = sec, true
	}
	if ok {
		*r = next
	}
}
