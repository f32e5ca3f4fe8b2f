package sse

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const usageChunk = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}` + "\n\n"

// anthropicStream is a whole answer with a tool call, pings and the usage in two parts.
const anthropicStream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":472,"cache_creation_input_tokens":100,"cache_read_input_tokens":2000,"output_tokens":2}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Let me look: {\"stop_reason\": \"x\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_01T1x1fJ34qAmk2tNTrN7Up6","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

` + anthropicEnd

const anthropicEnd = `event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":0,"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

`

// fixtures are answers of every kind, with what has to be read from them.
var fixtures = []struct {
	name string
	kind Kind
	typ  zg.ServiceType
	body string
	want Summary
}{
	{
		"chat stream", Events, zg.Chatbot,
		"data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\": é\"}}],\"usage\":null}\n\n" + usageChunk + "data: [DONE]\n\n",
		Summary{ChatID: "chatcmpl-1", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 7, OutputTokens: 3}},
	},
	{
		"CRLF, comments, event lines", Events, zg.Chatbot,
		": ping\r\n\r\nevent: x\r\ndata:{\"id\":\"c\",\"choices\":[]}\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\r\n\r\ndata: [DONE]\r\n\r\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 1, OutputTokens: 2, CachedTokens: 1}},
	},
	{
		"usage on each chunk", Events, zg.Chatbot,
		"data: {\"id\":\"c\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: {\"id\":\"c\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 5, OutputTokens: 2}},
	},
	{
		"forged usage in content", Events, zg.Chatbot,
		`data: {"id":"c","choices":[{"delta":{"content":"{\"usage\":{\"prompt_tokens\":999}}","usage":{"prompt_tokens":888}}}]}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 1, WordsCounted: true}},
	},
	{
		"no usage: words across pieces", Events, zg.Chatbot,
		`data: {"id":"c","choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n" + `data: {"choices":[{"delta":{"content":"Hel"}}]}` + "\n\n" +
			`data: {"choices":[{"delta": {"content" : "lo,\nw\u00f6rld \"content\": \\"}}]}` + "\n\n" + `data: {"choices":[{"delta":{"content":"\u3000x\u00a0y\t"}}]}` + "\n\n" +
			`data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f g","arguments":"{\"a\": 1}"}}]}}]}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 8, WordsCounted: true}},
	},
	{
		"Anthropic cache writes of two kinds", Events, zg.Chatbot,
		`data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":2},"output_tokens":1}}}` + "\n\n" +
			`data: {"type":"message_delta","usage":{"input_tokens":12,"cache_read_input_tokens":0,"output_tokens":20}}` + "\n\ndata: {\"type\":\"message_stop\"}\n\n",
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 23, CachedTokens: 4, WriteTokens: 5, Write1hTokens: 2, OutputTokens: 20}},
	},
	{
		"Anthropic cache writes not told apart", JSON, zg.Chatbot,
		`{"id":"m","content":[{"type":"text","text":"a b"}],"usage":{"input_tokens":1,"cache_creation_input_tokens":7,"output_tokens":1}}`,
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 8, WriteTokens: 7, OutputTokens: 1}},
	},
	{
		"Anthropic without usage", JSON, zg.Chatbot,
		`{"id":"m","content":[{"type":"thinking","thinking":"one two"},{"type":"text","text":"three"},{"type":"text","text":"four"}],"stop_reason":"no word"}`,
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Words: 4, WordsCounted: true}},
	},
	{
		"chat without usage", JSON, zg.Chatbot,
		`{"id":"c","model":"no word","choices":[{"index":0,"message":{"role":"assistant","content":"one \"two\"\nth\u0072ee\u2003four \u3000 ` + "f\u00fcnf\u3000sechs" + `","refusal":null,` +
			`"tool_calls":[{"type":"function","function":{"name":"no word","arguments":"{\"seven\": 8}"}}]},"logprobs":{"content":[{"token":"no word"}]}},{"message":{"content":"nine"}}]}`,
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 9, WordsCounted: true}},
	},
	{"cut chat without usage", JSON, zg.Chatbot, `{"id":"c","choices":[{"message":{"content":"one two`, Summary{ChatID: "c", Partial: true}},
	{"transcription without usage", JSON, zg.SpeechToText, `{"text":"one two","segments":[{"text":"one two"}]}`, Summary{Complete: true, Usage: zg.Usage{Words: 2, WordsCounted: true}}},
	{
		"streamed transcription without usage", Lines, zg.SpeechToText,
		"{\"type\":\"transcript.text.delta\",\"delta\":\"one t\"}\n{\"type\":\"transcript.text.delta\",\"delta\":\"wo three\"}\n{\"type\":\"transcript.text.done\",\"text\":\"one two three\"}\n",
		Summary{Complete: true, Usage: zg.Usage{Words: 3, WordsCounted: true}},
	},
	{
		"hostile numbers", Events, zg.Chatbot,
		`data: {"id":"c","usage":{"prompt_tokens":-1,"completion_tokens":1e400}}` + "\n\n" + `data: {"usage":{"prompt_tokens":9223372036854775808,"completion_tokens":"5"}}` + "\n\n" +
			`data: {"usage":{"prompt_tokens":1.5}}` + "\n\n",
		Summary{ChatID: "c", Usage: zg.Usage{Seen: true, InputTokens: 2, OutputTokens: 5}},
	},
	{
		"usage of zeros after usage", Events, zg.Chatbot,
		usageChunk + `data: {"usage":{"prompt_tokens":0,"completion_tokens":0}}` + "\n\ndata: {\"usage\":{}}\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 7, OutputTokens: 3}},
	},
	{
		"usage of zeros alone", Events, zg.Chatbot,
		`data: {"id":"c","choices":[{"delta":{"content":"one two"}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}` + "\n\n" +
			`data: {"choices":[{"delta":{"content":" three"}}],"usage":{}}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 3, WordsCounted: true}},
	},
	{
		"cut stream", Events, zg.Chatbot, `data: {"id":"c","choices":[{"delta":{"content":"one two"}}]}` + "\n\n",
		Summary{ChatID: "c", Usage: zg.Usage{Words: 2, WordsCounted: true}},
	},
	{
		"empty usage", JSON, zg.Chatbot, `{"id":"c","choices":[{"message":{"content":"one two"}}],"usage":{}}`,
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 2, WordsCounted: true}},
	},
	{
		"a prompt that is said to be cached no more", Events, zg.Chatbot,
		`data: {"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}` + "\n\n" + `data: {"usage":{"prompt_tokens":9,"completion_tokens":1}}` + "\n\ndata: [DONE]\n\n",
		Summary{Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 9, OutputTokens: 1}},
	},
	{
		"verbose transcription with its length as text", JSON, zg.SpeechToText, `{"text":"a","duration":"206.34"}`,
		Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 206.34}},
	},
	{
		"transcription with usage as text", JSON, zg.SpeechToText, `{"text":"a","usage":{"type":"duration","seconds":"3.5"}}`,
		Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 3.5}},
	},
	{
		"transcription with negative length", JSON, zg.SpeechToText, `{"text":"a b","duration":"-206.34","usage":{"seconds":"NaN"}}`,
		Summary{Complete: true, Usage: zg.Usage{Words: 2, WordsCounted: true}},
	},
	{
		"transcription of zero tokens", JSON, zg.SpeechToText, `{"text":"a b","usage":{"type":"tokens","input_tokens":0,"output_tokens":0}}`,
		Summary{Complete: true, Usage: zg.Usage{Words: 2, WordsCounted: true}},
	},
	{"error in mid-stream", Events, zg.Chatbot, "data: {\"id\":\"c\"}\n\n{\"error\":\"upstream died\"}", Summary{ChatID: "c", Error: true}},
	{"garbage", Events, zg.Chatbot, "\x00\xff data: {{{\n\ndata: {\"id\":\"../../etc\"}\n\n", Summary{}},
	{
		"Anthropic messages", Events, zg.Chatbot,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		Summary{ChatID: "msg_1", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 14, CachedTokens: 4, OutputTokens: 20}},
	},
	{
		"chat", JSON, zg.Chatbot,
		`{"id":"chatcmpl-2","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}","usage":{"prompt_tokens":8}},"id":"inner"}], "usage" : {"prompt_tokens":31,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":2}} , "x":[[1]]}` + "\n",
		Summary{ChatID: "chatcmpl-2", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 31, OutputTokens: 9, CachedTokens: 2}},
	},
	{"cut chat", JSON, zg.Chatbot, `{"id":"c","usage":{"prompt_tokens":1,"completion_tokens":1},"x":"`, Summary{Partial: true, ChatID: "c", Usage: zg.Usage{Seen: true, InputTokens: 1, OutputTokens: 1}}},
	{
		"images", JSON, zg.TextToImage,
		`{"created":1,"data":[{"b64_json":"` + base64.StdEncoding.EncodeToString([]byte("first image")) + `","revised_prompt":"b64_json"},{"revised_prompt":"x","b64_json":"` +
			base64.StdEncoding.EncodeToString([]byte("second")) + `"}]}`,
		Summary{Complete: true, Usage: zg.Usage{Images: 2}, Images: [][32]byte{sha256.Sum256([]byte("first image")), sha256.Sum256([]byte("second"))}, Extras: true},
	},
	{
		"images under a name with escapes", JSON, zg.TextToImage, `{"data":[{"b64_json":"YQ=="}],"d\u0061ta":[{"b64_\u006ason":"Yg=="}],"\ud800":1}`,
		Summary{Complete: true, Usage: zg.Usage{Images: 2}, Images: [][32]byte{sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))}},
	},
	{"image links", JSON, zg.TextToImage, `{"data":[{"url":"http://x/1"},{"url":"http://x/2"},{"url":"http://x/3"}]}`, Summary{Complete: true, Usage: zg.Usage{Images: 3}}},
	{"transcription", JSON, zg.SpeechToText, `{"text":"a","duration":3.5,"words":[{"duration":9}]}`, Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 3.5}}},
	{"transcription by tokens", JSON, zg.SpeechToText, `{"text":"a","usage":{"type":"tokens","input_tokens":4,"output_tokens":5}}`, Summary{Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 4, OutputTokens: 5}}},
	{
		"streamed transcription", Lines, zg.SpeechToText,
		"{\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n{\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}\n",
		Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 2}},
	},
	{"subtitles", Text, zg.SpeechToText, "1\n00:00:00,000 --> 00:00:02,500\nhello there\n\n2\n00:00:02,500 --> 00:01:04,250\nyou\n", Summary{Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 64.25, Words: 11}}},
	{"plain", Text, zg.SpeechToText, " three  plain\nwords ", Summary{Usage: zg.Usage{Words: 3, WordsCounted: true}}},
	{
		"Anthropic stream", Events, zg.Chatbot, anthropicStream,
		Summary{ChatID: "msg_01XFDUDYJgAACzvnptvVoYEL", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 472 + 100 + 2000, CachedTokens: 2000, WriteTokens: 100, OutputTokens: 89}},
	},
	{
		"Anthropic stream without usage", Events, zg.Chatbot,
		`data: {"type":"message_start","message":{"id":"msg_1","content":[],"stop_reason":null}}` + "\n\n" +
			`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo there"}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" {\"a\":"}}` + "\n\n" +
			`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n",
		Summary{ChatID: "msg_1", Complete: true, Usage: zg.Usage{Words: 3, WordsCounted: true}},
	},
	{
		"Anthropic error in mid-stream", Events, zg.Chatbot,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n" +
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
		Summary{ChatID: "msg_1", Error: true, Usage: zg.Usage{Seen: true, InputTokens: 3, OutputTokens: 1}},
	},
	{"an error event without JSON", Events, zg.Chatbot, "event:error\r\ndata: it broke\r\n\r\n", Summary{Error: true}},
	{"an error by its type", Events, zg.Chatbot, "data: {\"type\":\"error\"}\n\n", Summary{Error: true}},
	{
		"an error behind what every chunk has", Events, zg.Chatbot,
		`data: {"id":"gen-1","object":"chat.completion.chunk","created":1767225600,"model":"a/model-with-a-long-name","error":{"code":502,"message":"gone"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "gen-1", Complete: true, Error: true, Usage: zg.Usage{WordsCounted: true}},
	},
	{"an error only spoken of", Events, zg.Chatbot, `data: {"id":"c","choices":[{"delta":{"content":"{\"error\": {}}"}}],"error":null}` + "\n\n" + ": event: error\n\n", Summary{ChatID: "c", Usage: zg.Usage{Words: 2, WordsCounted: true}}},
	{"error as a document", JSON, zg.Chatbot, `{"type":"error","error":{"type":"api_error","message":"x"}}`, Summary{Complete: true, Error: true, Usage: zg.Usage{WordsCounted: true}}},
	{"no error as a document", JSON, zg.Chatbot, `{"id":"c", "error" : null ,"choices":[],"usage":{"prompt_tokens":1}}`, Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 1}}},
	{
		"Anthropic message", JSON, zg.Chatbot,
		`{"id":"msg_013Zva2CMHLNnXjNJJKqJ2EF","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi! My name is Claude."}],"stop_reason":"end_turn","stop_sequence":null,` +
			`"usage":{"input_tokens":2095,"cache_creation_input_tokens":300,"cache_read_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":503,"service_tier":"standard"}}`,
		Summary{ChatID: "msg_013Zva2CMHLNnXjNJJKqJ2EF", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 2445, CachedTokens: 50, WriteTokens: 100, Write1hTokens: 200, OutputTokens: 503}},
	},
	{"async job accepted", JSON, zg.TextToImage, `{"jobId":"3f0b3a34-6f0e-4b3c-9a57-0d3f5c2c9d11","status":"pending"}`, Summary{JobID: "3f0b3a34-6f0e-4b3c-9a57-0d3f5c2c9d11", Status: "pending", Complete: true}},
	{
		"async job done", JSON, zg.ImageEditing,
		`{"jobId":"j1","status":"completed","createdAt":"2026-01-01T00:00:00Z","data":{"created":1,"x":{"data":[{"b64_json":"bm8="}]},"data":[{"b64_json":"YQ==","revised_prompt":"data"},{"b64_json":"Yg=="}],"usage":{"prompt_tokens":1}},"updatedAt":"b64_json"}`,
		Summary{JobID: "j1", Status: "completed", Complete: true, Usage: zg.Usage{Images: 2}, Images: [][32]byte{sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))}, Extras: true},
	},
	{"async job failed", JSON, zg.TextToImage, `{"jobId":"j1","status":"failed","errorMessage":"no","error":{"code":1}}`, Summary{JobID: "j1", Status: "failed", Complete: true}},
	{"async job with text", JSON, zg.TextToImage, `{"jobId":"j1","status":"completed","data":"<html>"}`, Summary{JobID: "j1", Status: "completed", Complete: true}},
	{"images in arrays", JSON, zg.TextToImage, `{"data":[{"b64_json":"YQ=="},["Yg=="]]}`, Summary{Complete: true, Usage: zg.Usage{Images: 2}}},
	{
		"video", JSON, zg.VideoGeneration, `{"id":"video_68d7512d07848190b3e45da0ecbebcde004da08e1e0678d5","object":"video","status":"queued","progress":0,"seconds":"8","size":"1280x720","error":null}`,
		Summary{ChatID: "video_68d7512d07848190b3e45da0ecbebcde004da08e1e0678d5", JobID: "video_68d7512d07848190b3e45da0ecbebcde004da08e1e0678d5", Status: "queued", Complete: true},
	},
	{"video with a long id", JSON, zg.VideoGeneration, `{"id":"` + strings.Repeat("a1.~", 30) + `","status":"in_progress"}`, Summary{JobID: strings.Repeat("a1.~", 30), Status: "in_progress", Complete: true}},
	{"video that failed", JSON, zg.VideoGeneration, `{"id":"v","status":"failed","error":{"code":"moderation","message":"no"}}`, Summary{ChatID: "v", JobID: "v", Status: "failed", Complete: true}},
	{"ids that are none", JSON, zg.VideoGeneration, `{"id":"../../v1/x","jobId":"..","status":"done & dusted"}`, Summary{Complete: true}},
	{"a status too long", JSON, zg.VideoGeneration, `{"id":7,"status":"` + strings.Repeat("x", 33) + `"}`, Summary{Complete: true}},
	{
		"embeddings", JSON, zg.Embedding, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.1,2e-3,"{\"usage\":{}}"]},{"embedding":"AACAPw=="}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}`,
		Summary{Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 8}},
	},
	{"embeddings, usage first", JSON, zg.Embedding, `{"usage":{"prompt_tokens":8},"data":[{"embedding":[1,2],"usage":{"prompt_tokens":9}}]}`, Summary{Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 8}}},
	{"decisions", JSON, zg.Decisions, `{"id":"d","answers":[{"answer":"yes"}],"usage":{"input_tokens":40,"output_tokens":3}}`, Summary{ChatID: "d", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 40, OutputTokens: 3}}},
	{"speech", Opaque, zg.AudioGeneration, "ID3\x04{\"usage\":{}}", Summary{}},
	{"opaque", Opaque, zg.Chatbot, "\x00\x01", Summary{}},
}
