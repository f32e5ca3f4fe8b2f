package simprovider

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// chunk is one event of a stream.
type chunk struct {
	ID, Object, Model string
	Created           int64
	Choices           []struct {
		Delta struct {
			Role, Content string
			ToolCalls     []replyToolCall `json:"tool_calls"`
		}
		FinishReason *string `json:"finish_reason"`
	}
	Usage *usageReply
}

// events splits a stream and insists on its framing: data lines, blank lines, and nothing else.
func events(t *testing.T, body string) (chunks []chunk, done bool) {
	t.Helper()
	if !strings.HasSuffix(body, "\n\n") {
		t.Errorf("stream ends with %q, want a blank line", body[max(0, len(body)-20):])
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok || done {
			t.Fatalf("event %.200q, want data before [DONE]", event)
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		chunks = append(chunks, decode[chunk](t, data))
	}
	return chunks, done
}

func content(chunks []chunk) string {
	var b strings.Builder
	for _, c := range chunks {
		for _, ch := range c.Choices {
			b.WriteString(ch.Delta.Content)
		}
	}
	return b.String()
}

func TestStream(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "one two  three <&> \u00e9", streamed)
	a := s.post(chatPath, body).must(t)
	chunks, done := events(t, a.body)
	key := a.header.Get("ZG-Res-Key")
	if !done || key == "" || a.header.Get("Content-Type") != "text/event-stream" || a.header.Get("X-Accel-Buffering") != "no" ||
		a.header.Get("Provider") != s.Address().Hex() || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "ZG-Res-Key") {
		t.Errorf("done %v, headers %v", done, a.header)
	}
	if got := content(chunks); got != "one two  three <&> \u00e9" {
		t.Errorf("content = %q", got)
	}
	first, last, usage := chunks[0], chunks[len(chunks)-2], chunks[len(chunks)-1]
	if first.Choices[0].Delta.Role != "assistant" || first.ID != "chatcmpl-"+key || first.Object != "chat.completion.chunk" ||
		first.Model != "echo-1" || first.Created != 1_767_225_600 {
		t.Errorf("first event = %+v", first)
	}
	if r := last.Choices[0].FinishReason; r == nil || *r != "stop" {
		t.Errorf("finish reason = %v, want stop", r)
	}
	want := &usageReply{Prompt: 9, Completion: 5, Total: 14}
	if diff := cmp.Diff(want, usage.Usage); diff != "" || usage.Choices == nil || len(usage.Choices) != 0 {
		t.Errorf("usage event = %+v (-want +got)\n%s", usage, diff)
	}
	text, signer := s.signature(key)
	if want := hexSum(body) + ":" + hexSum(a.body); text != want || signer != s.Signer() {
		t.Errorf("signature = %s by %s, want %s by %s", text, signer, want, s.Signer())
	}
	fee := testPrice.Input.Mul(9).Add(testPrice.Output.Mul(5))
	e := s.last(1)
	e.Headers = nil
	if diff := cmp.Diff(Exchange{
		Path: chatPath, User: s.user, Model: "echo-1", Stream: true, RequestBytes: int64(len(body)), RequestSHA256: hexSum(body),
		SignedRequest: hexSum(body), Status: 200, ResKey: key, ResponseBytes: int64(len(a.body)), ResponseSHA256: hexSum(a.body),
		Usage: zg.Usage{Seen: true, InputTokens: 9, OutputTokens: 5, Words: 5}, Fee: fee,
	}, e, cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })); diff != "" {
		t.Errorf("record (-want +got)\n%s", diff)
	}
	if got := s.Unsettled(s.user); got != fee {
		t.Errorf("Unsettled = %s, want %s", got, fee)
	}
	s.get("/v1/user/"+s.user.Hex()+"/unsettledfee").wants(t, 200, `"unsettledFee":"`+fee.String()+`"`)
}

// Without stream_options the provider adds them, and what it signs is the re-serialised body.
func TestStreamOptionsAreInjected(t *testing.T) {
	for _, v := range vectors[[]struct {
		In        string
		Canonical string
		With      string `json:"with_stream_options"`
	}](t, "request_canonical.json") {
		model := decode[chatRequest](t, v.In).Model
		s := start(t, func(c *Config) { c.Model = model })
		a := s.post(chatPath, v.In).must(t)
		if chunks, _ := events(t, a.body); chunks[len(chunks)-1].Usage == nil {
			t.Errorf("no usage in %s", a.body)
		}
		if e := s.last(1); e.RequestSHA256 != hexSum(v.In) || e.SignedRequest != hexSum(v.With) {
			t.Errorf("received %s, signed %s; want %s, %s", e.RequestSHA256, e.SignedRequest, hexSum(v.In), hexSum(v.With))
		}
		s = start(t, func(c *Config) { c.Model, c.ReencodeRequests = model, true })
		s.post(chatPath, strings.Replace(v.In, "true", "false", 1)).must(t)
		if e, want := s.last(1), hexSum(strings.Replace(v.Canonical, "true", "false", 1)); e.SignedRequest != want {
			t.Errorf("re-encoded: signed %s, want %s", e.SignedRequest, want)
		}
	}
}

// A caller who does not want the usage does not get it, and is billed by words, input free.
func TestStreamWithoutUsage(t *testing.T) {
	s := start(t, nil)
	a := s.post(chatPath, chatBody("echo-1", "one two  three", `,"stream":true,"stream_options":{"include_usage":false}`)).must(t)
	chunks, done := events(t, a.body)
	for _, c := range chunks {
		if c.Usage != nil {
			t.Errorf("usage in %+v", c)
		}
	}
	if got, want := s.last(1).Fee, testPrice.Output.Mul(3); !done || got != want {
		t.Errorf("done %v, fee %s, want %s", done, got, want)
	}
}

func TestWholeChat(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "hello there", `,"stream":"true"`) // only the JSON value true streams
	a := s.post(chatPath+"/", body).must(t)
	reply := decode[chatReply](t, a.body)
	if got := *reply.Choices[0].Message.Content; got != "hello there" || reply.ID != "chatcmpl-"+a.header.Get("ZG-Res-Key") || reply.Choices[0].FinishReason != "stop" {
		t.Errorf("reply = %s", a.body)
	}
	text, signer := s.signature(strings.ToUpper(a.header.Get("ZG-Res-Key"))) // paths are lower-cased
	if want := hexSum(body) + ":" + hexSum(a.body); text != want || signer != s.Signer() {
		t.Errorf("signature = %s by %s, want %s", text, signer, want)
	}
	s.get("/v1/proxy/signature/unknown").wants(t, 400, "chat_id_not_found")
	s.clock.advance(20*time.Minute + time.Second)
	s.get("/v1/proxy/signature/"+a.header.Get("ZG-Res-Key")).wants(t, 400, "chat_id_not_found")
}

func TestMaxTokensCutTheAnswer(t *testing.T) {
	s := start(t, nil)
	reply := decode[chatReply](t, s.post("/v1"+chatPath, chatBody("echo-1", "a b c d", `,"max_tokens":2`)).must(t).body)
	if got := *reply.Choices[0].Message.Content; got != "a b" || reply.Choices[0].FinishReason != "length" || reply.Usage.Completion != 2 {
		t.Errorf("reply = %+v", reply)
	}
	s = start(t, func(c *Config) { c.Behaviour = Lorem })
	for _, tt := range []struct {
		text, more, finish string
		tokens             uint64
	}{
		{"hi", "", "stop", defaultLorem},
		{"hi", `,"max_completion_tokens":7`, "stop", 7},
		{"please lorem:11 now", "", "stop", 11},
		{"please lorem:11 now", `,"max_tokens":5`, "length", 5},
	} {
		reply := decode[chatReply](t, s.post(chatPath, chatBody("echo-1", tt.text, tt.more)).must(t).body)
		words := strings.Fields(*reply.Choices[0].Message.Content)
		if uint64(len(words)) != tt.tokens || reply.Usage.Completion != tt.tokens || reply.Choices[0].FinishReason != tt.finish {
			t.Errorf("%s%s: %d words, usage %+v, %s; want %d and %s", tt.text, tt.more, len(words), reply.Usage, reply.Choices[0].FinishReason, tt.tokens, tt.finish)
		}
	}
}

const weatherTool = `,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{
	"city":{"type":"string"},"unit":{"type":"string","enum":["c","f"]},"days":{"type":"integer","minimum":3}}}}}]`

func TestToolCalls(t *testing.T) {
	s := start(t, nil)
	const want = `{"city":"New York","days":3,"unit":"c"}`
	whole := decode[chatReply](t, s.post(chatPath, chatBody("echo-1", "What is the weather in New York today?", weatherTool)).must(t).body).Choices[0]
	if whole.FinishReason != "tool_calls" || whole.Message.Content != nil || len(whole.Message.ToolCalls) != 1 {
		t.Fatalf("choice = %+v, want one tool call", whole)
	}
	call := whole.Message.ToolCalls[0]
	if call.Function.Name != "get_weather" || call.Function.Arguments != want || call.ID == "" || call.Type != "function" {
		t.Errorf("call = %+v, want %s", call, want)
	}
	chunks, done := events(t, s.post(chatPath, chatBody("echo-1", "What is the weather in New York today?", weatherTool+streamed)).must(t).body)
	var arguments, finish string
	for _, c := range chunks {
		for _, choice := range c.Choices {
			for _, part := range choice.Delta.ToolCalls {
				arguments += part.Function.Arguments
			}
			if choice.FinishReason != nil {
				finish = *choice.FinishReason
			}
		}
	}
	if opening := chunks[0].Choices[0].Delta.ToolCalls; len(opening) != 1 || opening[0].ID != call.ID || arguments != want || finish != "tool_calls" || !done {
		t.Errorf("stream: opening %+v, arguments %s, finish %s, done %v", opening, arguments, finish, done)
	}
	// After the tool's result, and about other things, the model answers in words.
	after := `{"model":"echo-1","messages":[{"role":"user","content":"weather?"},{"role":"tool","content":"sunny"}]` + weatherTool + `}`
	for _, body := range []string{after, chatBody("echo-1", "sunny", weatherTool), chatBody("echo-1", "sunny", weatherTool+`,"tool_choice":"auto"`)} {
		if got := decode[chatReply](t, s.post(chatPath, body).must(t).body).Choices[0]; got.Message.Content == nil || *got.Message.Content != "sunny" {
			t.Errorf("%s: %+v, want sunny", body, got)
		}
	}
	for _, choice := range []string{`"required"`, `{"type":"function","function":{"name":"get_weather"}}`} {
		if got := decode[chatReply](t, s.post(chatPath, chatBody("echo-1", "hi", weatherTool+`,"tool_choice":`+choice)).must(t).body).Choices[0]; got.Message.ToolCalls == nil {
			t.Errorf("tool_choice %s: %+v, want a call", choice, got)
		}
	}
}

func TestJSONAnswers(t *testing.T) {
	s := start(t, nil)
	for _, tt := range []struct{ text, format, want string }{
		{`say "x"`, `{"type":"json_object"}`, `{"echo":"say \"x\""}`},
		{`{"a":1}`, `{"type":"json_object"}`, `{"a":1}`},
		{
			"x", `{"type":"json_schema","json_schema":{"name":"n","schema":{"$defs":{"p":{"type":["string","null"]}},"type":"object","properties":{
			"name":{"$ref":"#/$defs/p"},"ok":{"type":"boolean"},"list":{"type":"array","items":{"anyOf":[{"type":"number"}]}},"none":{"type":"null"},"d":{"default":5}}}}}`,
			`{"d":5,"list":[1],"name":"x","none":null,"ok":true}`,
		},
	} {
		got := *decode[chatReply](t, s.post(chatPath, chatBody("echo-1", tt.text, `,"response_format":`+tt.format)).must(t).body).Choices[0].Message.Content
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestMessagePartsAndPictures(t *testing.T) {
	s := start(t, nil)
	body := `{"model":"echo-1","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:,"}}]}]}`
	reply := decode[chatReply](t, s.post(chatPath, body).must(t).body)
	if got := *reply.Choices[0].Message.Content; got != "see" || reply.Usage.Prompt != 4+2+4+1+85 {
		t.Errorf("content %q, prompt %d", got, reply.Usage.Prompt)
	}
}

// Who leaves early is billed for all of it.
func TestDisconnectIsBilledInFull(t *testing.T) {
	s := start(t, func(c *Config) { c.Behaviour, c.TokenDelay = Lorem, time.Millisecond })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp, err := client().Do(s.request(ctx, http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "lorem:300", streamed)))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatalf("first line: %v", err)
	}
	leave()
	_ = resp.Body.Close() // broken off on purpose
	e := s.last(1)
	want := testPrice.Input.Mul(5).Add(testPrice.Output.Mul(300))
	if !e.ClientLeft || e.Usage.OutputTokens != 300 || e.Fee != want || s.Unsettled(s.user) != want {
		t.Errorf("left %v, tokens %d, fee %s; want the whole answer billed: %s", e.ClientLeft, e.Usage.OutputTokens, e.Fee, want)
	}
	text, _ := s.signature(e.ResKey)
	if strings.HasSuffix(text, e.ResponseSHA256) {
		t.Errorf("the signature covers only what the client got")
	}
}

// Reading on for nobody has an end, and what was not seen of the usage is made up for by counting words.
func TestDrainIsBounded(t *testing.T) {
	s := start(t, func(c *Config) { c.Behaviour = Lorem })
	s.SetFault(Fault{Kind: Stall, After: 1})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp, err := client().Do(s.request(ctx, http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "lorem:900000", streamed)))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	leave()
	_ = resp.Body.Close() // broken off on purpose
	e := s.last(1)
	if !e.ClientLeft || e.Usage.Seen || e.Usage.Words == 0 || e.Usage.Words >= 900_000 || e.Fee != testPrice.Output.Mul(e.Usage.Words) {
		t.Errorf("usage %+v, fee %s; want words, fewer than asked for", e.Usage, e.Fee)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	for _, kind := range []FaultKind{Stall, SlowFirstByte} {
		s := start(t, nil)
		s.SetFault(Fault{Kind: kind})
		r := s.request(t.Context(), http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "hi", streamed))
		result := make(chan answer, 1)
		go func() { result <- s.do(r) }()
		<-s.chain.offered // the request is being admitted
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if a := <-result; a.err == nil && strings.Contains(a.body, "[DONE]") {
			t.Errorf("%s: whole answer %q after Close", kind, a.body)
		}
	}
}

func TestOtherKindsOfProviders(t *testing.T) {
	body := chatBody("echo-1", "hi", "")
	t.Run("centralized", func(t *testing.T) {
		s := start(t, func(c *Config) {
			c.Centralized = &Centralized{Identity: "openai", TLSFingerprint: strings.Repeat("ab", 32)}
		})
		a := s.post(chatPath, body).must(t)
		text, signer := s.signature(a.header.Get("ZG-Res-Key"))
		canonical := `{"messages":[{"content":"hi","role":"user"}],"model":"echo-1"}`
		if want := hexSum(canonical) + ":" + hexSum(a.body) + ":centralized:openai:" + strings.Repeat("ab", 32); text != want || signer != s.TEESigner() {
			t.Errorf("text = %s, want %s", text, want)
		}
	})
	t.Run("separate enclave", func(t *testing.T) {
		var target *ecdsa.PrivateKey
		s := start(t, func(c *Config) {
			target, c.TargetKey, c.TargetModelID = seedKey(t, "target"), seedKey(t, "target"), true
		})
		a := s.post(chatPath, body).must(t)
		if a.header.Get("ZG-Res-Key") != "" {
			t.Errorf("ZG-Res-Key = %s, want none", a.header.Get("ZG-Res-Key"))
		}
		text, signer := s.signature(decode[chatReply](t, a.body).ID)
		if signer != addressOf(target) || signer != s.Signer() || signer == s.TEESigner() || !strings.HasPrefix(text, "echo-1:") || !strings.HasSuffix(text, hexSum(a.body)) {
			t.Errorf("signature = %s by %s, want the enclave's", text, signer)
		}
	})
	t.Run("unsigned", func(t *testing.T) {
		s := start(t, func(c *Config) { c.Unsigned = true })
		a := s.post(chatPath, body).must(t)
		if key := a.header.Get("ZG-Res-Key"); key != "" || s.last(1).SignedRequest != "" {
			t.Errorf("ZG-Res-Key = %q, want nothing signed", key)
		}
	})
	t.Run("several models", func(t *testing.T) {
		s := start(t, func(c *Config) {
			c.Also = map[string]zg.Price{"echo-2": {Input: zg.NeuronOf(1), Output: zg.NeuronOf(2)}}
		})
		s.post(chatPath, chatBody("echo-2", "hi", "")).must(t)
		if got := s.last(1).Fee; got != zg.NeuronOf(5+2) {
			t.Errorf("fee = %s, want 7", got)
		}
		s.get("/v1/models").wants(t, 200, `"id":"echo-2"`)
	})
	t.Run("whitelisted", func(t *testing.T) {
		var user common.Address
		s := start(t, func(c *Config) {
			user = addressOf(seedKey(t, "user"))
			c.Whitelist, c.Limits.RequestsPerMinute, c.Limits.Burst = []common.Address{user}, 1, 1
		})
		s.chain.hold(user, zg.Neuron{})
		for range 3 {
			s.post(chatPath, body).must(t)
		}
		if got := s.Unsettled(user); !got.IsZero() {
			t.Errorf("Unsettled = %s, want nothing", got)
		}
	})
}
