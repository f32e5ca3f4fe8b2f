package sse

import (
	"encoding/json"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// usageObject is every shape of usage that providers send.
type usageObject struct {
	Type                string    `json:"type"`
	PromptTokens        zg.Figure `json:"prompt_tokens"`
	CompletionTokens    zg.Figure `json:"completion_tokens"`
	InputTokens         zg.Figure `json:"input_tokens"`
	OutputTokens        zg.Figure `json:"output_tokens"`
	Seconds             zg.Figure `json:"seconds"`
	CacheWrite          zg.Figure `json:"cache_write_tokens"`
	CacheWrite1h        zg.Figure `json:"cache_write_1h_tokens"`
	CacheCreationInput  zg.Figure `json:"cache_creation_input_tokens"`
	CacheRead           zg.Figure `json:"cache_read_input_tokens"`
	PromptTokensDetails struct {
		Cached       zg.Figure `json:"cached_tokens"`
		CacheWrite   zg.Figure `json:"cache_write_tokens"`
		CacheWrite1h zg.Figure `json:"cache_write_1h_tokens"`
	} `json:"prompt_tokens_details"`
	CacheCreation struct {
		FiveMinutes zg.Figure `json:"ephemeral_5m_input_tokens"`
		OneHour     zg.Figure `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

// usageReader puts together what the usage objects of one answer say.
type usageReader struct {
	usage zg.Usage
	// Anthropic counts the input in parts that do not overlap, and may tell them one by one.
	plain, read, written, written5m, written1h uint64
	openAI                                     bool // prompt_tokens was told, which is the whole input
}

// merge takes over what a usage object says. A later number wins unless it is zero; an object with a number that cannot
// be a quantity is not believed at all.
func (r *usageReader) merge(raw json.RawMessage) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var o usageObject
	if json.Unmarshal(raw, &o) != nil {
		return
	}
	ok := true
	count := func(n zg.Figure) uint64 {
		ok = ok && !n.Bad()
		return n.Count()
	}
	keep := func(old *uint64, n uint64) {
		if n > 0 {
			*old = n
		}
	}
	next := *r
	u := &next.usage
	prompt := count(o.PromptTokens)
	next.openAI = r.openAI || prompt > 0
	keep(&u.InputTokens, prompt)
	keep(&u.OutputTokens, count(o.CompletionTokens))
	cached := count(o.PromptTokensDetails.Cached)
	write := max(count(o.CacheWrite), count(o.PromptTokensDetails.CacheWrite))
	write1h := max(count(o.CacheWrite1h), count(o.PromptTokensDetails.CacheWrite1h))
	if prompt > 0 { // what it says of the prompt replaces all that was said of it before
		u.CachedTokens, u.WriteTokens, u.Write1hTokens = cached, write, write1h
	}
	keep(&u.CachedTokens, cached)
	keep(&u.WriteTokens, write)
	keep(&u.Write1hTokens, write1h)
	keep(&u.OutputTokens, count(o.OutputTokens))
	keep(&next.plain, count(o.InputTokens))
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
	// A usage without any figure but zeros is none: a provider then bills what it bills without usage. A length that is
	// said to be one is a length, even of nothing.
	u.Seen = u.Seen || u.InputTokens+u.OutputTokens > 0
	seconds := o.Seconds.Float()
	if ok = ok && !o.Seconds.Bad(); o.Type == "duration" && o.Seconds.Told() || (o.Type == "" && seconds > 0 && !o.InputTokens.Told()) {
		if seconds > 0 || !u.Seen {
			u.Seconds, u.BySeconds = seconds, true
		}
		u.Seen = true
	}
	if ok {
		*r = next
	}
}
