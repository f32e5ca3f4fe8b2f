package simprovider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func messagesBody(text, more string) string {
	return fmt.Sprintf(`{"model":"echo-1","max_tokens":100,"system":"be brief","messages":[{"role":"user","content":%q}]%s}`, text, more)
}

// The fees of messagesBody("a b c", …): 13 tokens in, 3 tokens or words out.
var messageFee = testPrice.Input.Mul(13).Add(testPrice.Output.Mul(3))

// signed fails unless the answer's signature is good and over these very bytes.
func (s *site) signed(a answer, request string) {
	s.t.Helper()
	text, signer := s.signature(a.header.Get("ZG-Res-Key"))
	if want := hexSum(request) + ":" + hexSum(a.body); text != want || signer != s.Signer() {
		s.t.Errorf("text = %s by %s, want %s by %s", text, signer, want, s.Signer())
	}
}

// messageEvent is one event of a stream of messages.
type messageEvent struct {
	name, data string
}

func messageEvents(t *testing.T, body string) (events []messageEvent) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(event, "\n")
		name, ok1 := strings.CutPrefix(name, "event: ")
		data, ok2 := strings.CutPrefix(data, "data: ")
		if !ok || !ok1 || !ok2 || decode[struct{ Type string }](t, data).Type != name {
			t.Fatalf("event %q, want a name and data of that type", event)
		}
		events = append(events, messageEvent{name, data})
	}
	return events
}

func TestMessages(t *testing.T) {
	s := start(t, nil)
	body := messagesBody("a b c", "")
	a := s.post(messagesPath, body).must(t)
	s.signed(a, body)
	key := a.header.Get("ZG-Res-Key")
	if want := `{"id":"chatcmpl-` + key + `","type":"message","role":"assistant","model":"echo-1","content":[{"type":"text","text":"a b c"}],` +
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":13,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}`; a.body != want {
		t.Errorf("body = %s\nwant   %s", a.body, want)
	}
	if e := s.last(1); e.Fee != messageFee || e.Path != messagesPath || s.Unsettled(s.user) != messageFee {
		t.Errorf("record = %+v, want a fee of %s", e, messageFee)
	}
	for _, system := range []string{`"be brief"`, `[{"type":"text","text":"be brief"}]`} {
		again := strings.Replace(body, `"be brief"`, system, 1)
		s.post(messagesPath, again).wants(t, 200, `"input_tokens":13`)
	}
	s.post(messagesPath, strings.Replace(body, "100", "2", 1)).wants(t, 200, `"text":"a b"}],"stop_reason":"max_tokens"`)
}

func TestStreamedMessages(t *testing.T) {
	s := start(t, nil)
	body := messagesBody("a b c", `,"stream":true`)
	a := s.post(messagesPath, body).must(t)
	s.signed(a, body) // nothing is put into the request
	var names []string
	events := messageEvents(t, a.body)
	for _, e := range events {
		names = append(names, e.name)
	}
	if diff := cmp.Diff([]string{
		"message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_delta",
		"content_block_stop", "message_delta", "message_stop",
	}, names); diff != "" {
		t.Fatalf("events (-want +got)\n%s", diff)
	}
	for i, want := range map[int]string{
		0: `"usage":{"input_tokens":13,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}`,
		4: `{"delta":{"text":" b","type":"text_delta"},"index":0,"type":"content_block_delta"}`,
		7: `{"delta":{"stop_reason":"end_turn","stop_sequence":null},"type":"message_delta","usage":{"output_tokens":3}}`,
	} {
		if !strings.Contains(events[i].data, want) {
			t.Errorf("event %d = %s, want %s in it", i, events[i].data, want)
		}
	}
	if e := s.last(1); e.Fee != messageFee || !e.Stream || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("record = %+v, want a stream for %s", e, messageFee)
	}
}

func TestMessagesCallTools(t *testing.T) {
	s := start(t, nil)
	const tools = `,"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]`
	a := s.post(messagesPath, messagesBody("the weather in Bern", tools)).must(t)
	reply := decode[messageReply](t, a.body)
	if b := reply.Content[0]; b.Type != "tool_use" || b.Name != "get_weather" || !strings.HasPrefix(b.ID, "toolu_") ||
		string(b.Input) != `{"city":"Bern"}` || *reply.StopReason != "tool_use" {
		t.Errorf("reply = %s", a.body)
	}
	var input strings.Builder
	for _, e := range messageEvents(t, s.post(messagesPath, messagesBody("the weather in Bern", tools+`,"stream":true`)).must(t).body) {
		input.WriteString(decode[struct {
			Delta struct {
				JSON string `json:"partial_json"`
			}
		}](t, e.data).Delta.JSON)
	}
	if input.String() != `{"city":"Bern"}` {
		t.Errorf("input = %s", input.String())
	}
	result := `{"model":"echo-1","max_tokens":9,"messages":[{"role":"user","content":"the weather in Bern"},
		{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"sunny"}]}]}]` + tools
	s.post(messagesPath, result+`}`).wants(t, 200, `{"type":"text","text":"sunny"}`)
	s.post(messagesPath, result+`,"tool_choice":{"type":"any"}}`).wants(t, 200, `"type":"tool_use"`)
	s.post(messagesPath, messagesBody("hello", tools+`,"tool_choice":{"type":"tool","name":"get_weather"}`)).wants(t, 200, `"type":"tool_use"`)
	s.post(messagesPath, messagesBody("the weather in Bern", tools+`,"tool_choice":{"type":"none"}`)).wants(t, 200, `"type":"text"`)
}

func TestMessagesAreRefusedInTheirOwnWords(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits = Limits{RequestsPerMinute: 60, Burst: 2} })
	a := s.post(messagesPath, messagesBody("hi", "")).must(t)
	for name, want := range map[string]string{
		"anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "2", "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:01Z",
		"x-ratelimit-limit-requests": "",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	s.post(messagesPath, `{"model":"echo-1","messages":[{"role":"user","content":"hi"}]}`).wants(t, 400,
		`{"error":{"message":"max_tokens: Field required","type":"invalid_request_error"},"type":"error"}`)
	s.post(messagesPath, messagesBody("hi", "")).wants(t, 429,
		`{"error":{"message":"Rate limit exceeded. Please wait 1 seconds (limit: 60 requests/min).","type":"rate_limit_error"},"type":"error"}`)
	s.clock.advance(time.Minute)
	s.SetFault(Fault{Kind: ServerError, Status: 529, N: 1})
	s.post(messagesPath, messagesBody("hi", "")).wants(t, 529, `"type":"overloaded_error"`)
	s.post(messagesPath, `{"model":"gpt-4","max_tokens":1}`).wants(t, 400, `{"error":"validate request: model not supported`) // the provider's own
}

func TestFaultsOfMessages(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Price.Cache = zg.CacheBilling{Divisor: 4, Write: zg.Ratio{Num: 5, Den: 4}, Write1h: zg.Ratio{Num: 2}}
	})
	in := testPrice.Input
	atStart := in.Mul(13).Add(testPrice.Output)
	cached := in.Mul(5).Add(in.Mul(6).MulDiv(1, 4)).Add(in.MulDiv(5, 4)).Add(in.Mul(2)).Add(testPrice.Output.Mul(3))
	for _, tt := range []struct {
		name  string
		fault Fault
		fee   zg.Neuron
		want  string
	}{
		{"truncated", Fault{Kind: Truncate, After: 4}, atStart, `"text":"a"`},
		{"truncated at the start", Fault{Kind: Truncate}, zg.Neuron{}, ""},
		{"only the end is missing", Fault{Kind: Truncate, After: 8}, messageFee, "message_delta"},
		{"error", Fault{Kind: MidStreamError, After: 4}, atStart, `{"error":"the model server has gone away"}`},
		{"stall", Fault{Kind: Stall, After: 4, Delay: time.Millisecond}, messageFee, "message_stop"},
		{"no usage", Fault{Kind: NoUsage}, testPrice.Output.Mul(3), "message_stop"},
		{"twice the usage", Fault{Kind: WrongUsage}, messageFee, `"output_tokens":6`},
		{"other usage", Fault{Kind: WrongUsage, Body: `{"output_tokens":"many"}`}, messageFee, `"usage":{"output_tokens":"many"}`},
		// 6 of 13 tokens are read from the cache, one is written for five minutes and one for an hour.
		{
			"cache",
			Fault{Kind: CachedUsage},
			cached,
			`"usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":1},"output_tokens":1}`,
		},
		{"altered", Fault{Kind: Altered, Alter: &Alteration{Pieces: Drop(2)}}, messageFee, "message_stop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.SetFault(tt.fault)
			n := len(s.Exchanges())
			a := s.post(messagesPath, messagesBody("a b c", `,"stream":true`)).must(t)
			if !strings.Contains(a.body, tt.want) || tt.fault.Kind == NoUsage && strings.Contains(a.body, "usage") ||
				tt.fault.Kind == Altered && strings.Contains(a.body, "ping") {
				t.Errorf("body = %s", a.body)
			}
			if got := s.last(n + 1).Fee; got != tt.fee {
				t.Errorf("fee = %s, want %s", got, tt.fee)
			}
		})
	}
	s.SetFault(Fault{Kind: ResetMidStream, After: 2})
	if a := s.post(messagesPath, messagesBody("a b c", `,"stream":true`)); a.err == nil {
		t.Errorf("answer = %+v, want it cut", a)
	}
	s.SetFault(Fault{Kind: NoUsage})
	if a := s.post(messagesPath, messagesBody("a b c", "")).must(t); strings.Contains(a.body, "usage") || !json.Valid([]byte(a.body)) {
		t.Errorf("body = %s, want no usage", a.body)
	}
	s.SetFault(Fault{})
	s.post(messagesPath, messagesBody("fault:server-error", "")).wants(t, 500, `"type":"api_error"`)
}
