package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func userSays(text string) []openai.ChatCompletionMessageParamUnion {
	return []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}
}

func TestOpenAIClient(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	client := w.client()
	ctx := t.Context()

	t.Run("chat", func(t *testing.T) {
		got, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "echo-1", Messages: userSays("Hello, 0G!")})
		if err != nil {
			t.Fatal(err)
		}
		if text := got.Choices[0].Message.Content; !strings.Contains(text, "Hello, 0G!") {
			t.Errorf("answer = %q, want an echo of the question", text)
		}
		if got.Usage.PromptTokens == 0 || got.Usage.CompletionTokens == 0 {
			t.Errorf("usage = %+v, want tokens", got.Usage)
		}
	})

	stream := func(t *testing.T, usage bool) (text string, chunks int, last openai.ChatCompletionChunk) {
		t.Helper()
		params := openai.ChatCompletionNewParams{Model: "lorem-1", Messages: userSays("lorem:25")}
		if usage {
			params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		}
		s := client.Chat.Completions.NewStreaming(ctx, params)
		defer func() { _ = s.Close() }() // read to its end
		for s.Next() {
			last = s.Current()
			chunks++
			if len(last.Choices) > 0 {
				text += last.Choices[0].Delta.Content
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		return text, chunks, last
	}
	t.Run("stream", func(t *testing.T) {
		text, chunks, last := stream(t, false)
		if len(strings.Fields(text)) != 25 || chunks < 25 {
			t.Errorf("%d words in %d chunks, want 25 words each on its own", len(strings.Fields(text)), chunks)
		}
		if len(last.Choices) == 0 || last.Usage.TotalTokens != 0 {
			t.Errorf("last chunk = %s, want no usage chunk: it was not asked for", last.RawJSON())
		}
	})
	t.Run("stream with usage", func(t *testing.T) {
		_, _, last := stream(t, true)
		if len(last.Choices) != 0 || last.Usage.CompletionTokens != 25 {
			t.Errorf("last chunk = %s, want the usage chunk with 25 tokens", last.RawJSON())
		}
	})
	t.Run("tools", func(t *testing.T) {
		got, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
			Model: "echo-1", Messages: userSays("What is the weather in Zug?"),
			Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
				Name: "get_weather", Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}},
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		calls := got.Choices[0].Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "get_weather" {
			t.Errorf("tool calls = %+v, want one of get_weather", calls)
		}
	})
	t.Run("images", func(t *testing.T) {
		for _, format := range []openai.ImageGenerateParamsResponseFormat{openai.ImageGenerateParamsResponseFormatB64JSON, openai.ImageGenerateParamsResponseFormatURL} {
			got, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Model: "picture-1", Prompt: "an otter", N: openai.Int(2), ResponseFormat: format})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Data) != 2 {
				t.Fatalf("%d images, want 2", len(got.Data))
			}
			var picture []byte
			if format == openai.ImageGenerateParamsResponseFormatURL {
				code, body := w.get(got.Data[0].URL)
				if code != http.StatusOK {
					t.Fatalf("GET %s = %d %s", got.Data[0].URL, code, body)
				}
				picture = []byte(body)
			} else if picture, err = base64.StdEncoding.DecodeString(got.Data[0].B64JSON); err != nil {
				t.Fatal(err)
			}
			if http.DetectContentType(picture) != "image/png" {
				t.Errorf("%s: the image is %s, want a PNG", format, http.DetectContentType(picture))
			}
		}
	})
	t.Run("transcription", func(t *testing.T) {
		for _, format := range []openai.AudioResponseFormat{
			openai.AudioResponseFormatJSON, openai.AudioResponseFormatVerboseJSON,
		} {
			got, err := client.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{
				Model: "speech-1", File: strings.NewReader(strings.Repeat("sound", 1000)), ResponseFormat: format,
			})
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if !strings.Contains(got.Text, "5000") {
				t.Errorf("%s: text = %q, want the number of bytes", format, got.Text)
			}
		}
	})
	t.Run("transcription formats", func(t *testing.T) {
		for format, want := range map[string]string{"text": "5000", "srt": "-->", "vtt": "WEBVTT", "verbose_json": `"duration"`} {
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			part, err := form.CreateFormFile("file", "a.wav") // before the fields, and no model at all
			if err == nil {
				_, err = part.Write(bytes.Repeat([]byte("sound"), 1000))
			}
			err = errors.Join(err, form.WriteField("response_format", format), form.Close())
			if err != nil {
				t.Fatal(err)
			}
			resp, answer := w.post("/v1/audio/transcriptions", form.FormDataContentType(), body.Bytes())
			if resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), want) {
				t.Errorf("%s: %d %q, want %q in it", format, resp.StatusCode, answer, want)
			}
			rec := w.record(resp.Header.Get("X-Request-Id"), true)
			if rec.State != "closed" || rec.Verdict != zg.VerdictVerified || rec.ResponseSHA256 == "" {
				t.Errorf("%s: record = %+v, want closed and verified", format, rec)
			}
		}
	})
	t.Run("streamed transcription", func(t *testing.T) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		err := errors.Join(form.WriteField("model", "speech-1"), form.WriteField("stream", "true"))
		part, partErr := form.CreateFormFile("file", "a.wav")
		if partErr == nil {
			_, partErr = part.Write([]byte("sound"))
		}
		if err = errors.Join(err, partErr, form.Close()); err != nil {
			t.Fatal(err)
		}
		// Providers send one JSON event a line, not server-sent events, and the proxy does not make one of the other.
		resp, answer := w.post("/v1/audio/transcriptions", form.FormDataContentType(), body.Bytes())
		lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
		if resp.StatusCode != http.StatusOK || len(lines) < 2 || !strings.Contains(lines[len(lines)-1], "transcript.text.done") {
			t.Fatalf("%d %q, want events ending in transcript.text.done", resp.StatusCode, answer)
		}
		if rec := w.record(resp.Header.Get("X-Request-Id"), true); rec.Basis != "exact" || rec.Verdict != zg.VerdictVerified {
			t.Errorf("record = %+v, want exact and verified", rec)
		}
	})
	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range page.Data {
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, " "); got != "echo-1 lorem-1 picture-1 speech-1" {
			t.Errorf("models = %q", got)
		}
		m, err := client.Models.Get(ctx, "echo-1")
		if err != nil || m.ID != "echo-1" || m.OwnedBy == "" {
			t.Errorf("model = %+v, %v", m, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for name, tc := range map[string]struct {
			params       openai.ChatCompletionNewParams
			status       int
			code, reveal string
		}{
			"unknown model": {openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: userSays("hi")}, 404, "model_not_found", "echo-1"},
			"other surface": {openai.ChatCompletionNewParams{Model: "picture-1", Messages: userSays("hi")}, 404, "model_not_found", "text-to-image"},
			"no model":      {openai.ChatCompletionNewParams{Messages: userSays("hi")}, 400, "missing_model", "model"},
		} {
			_, err := client.Chat.Completions.New(ctx, tc.params)
			var api *openai.Error
			if !errors.As(err, &api) {
				t.Errorf("%s: %v, want an API error", name, err)
				continue
			}
			if api.StatusCode != tc.status || api.Code != tc.code || !strings.Contains(api.Message, tc.reveal) {
				t.Errorf("%s: %d %s %q, want %d %s saying %q", name, api.StatusCode, api.Code, api.Message, tc.status, tc.code, tc.reveal)
			}
		}
		for _, p := range w.net.Providers {
			w.atRest(p)
			for _, x := range p.Exchanges() {
				if x.Status == http.StatusBadRequest {
					t.Errorf("provider %s refused a request: %+v", p.Address(), x)
				}
			}
		}
	})
}

func TestBookAgreesWithChainToTheNeuron(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	ctx := t.Context()
	lorem := w.net.Providers[1]
	// The keeper fills the account up first, so that no transfer falls between the two readings.
	w.eventually("topped up", func() error {
		acct, _, err := w.net.Chain.SubAccount(ctx, devnet.Wallet(), lorem.Address())
		if err == nil && acct.Locked().Less(zg.OneOG.Mul(3)) {
			err = errors.New(acct.Locked().Og())
		}
		return err
	})
	before, _, err := w.net.Chain.SubAccount(ctx, devnet.Wallet(), lorem.Address())
	if err != nil {
		t.Fatal(err)
	}

	var booked zg.Neuron
	for _, body := range []string{
		`{"model":"lorem-1","messages":[{"role":"user","content":"lorem:10"}]}`,
		`{"model":"lorem-1","stream":true,"messages":[{"role":"user","content":"lorem:77"}]}`,
		`{ "messages" : [ {"role":"user","content":"lorem:3 é \u00e9 <>&"} ], "temperature": 0.70, "model" : "lorem-1" }`,
	} {
		resp, answer := w.post("/v1/chat/completions", "application/json", []byte(body))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", body, resp.StatusCode, answer)
		}
		rec := w.record(resp.Header.Get("X-Request-Id"), true)
		if rec.State != "closed" || rec.Basis != "exact" || rec.Fee.IsZero() || rec.Bound.Less(rec.Fee) {
			t.Errorf("record = %+v, want closed, exact, within the bound", rec)
		}
		if rec.Verdict != zg.VerdictVerified {
			t.Errorf("verdict of %s = %s, want verified", body, rec.Verdict)
		}
		booked = booked.Add(rec.Fee)
	}
	if got := lorem.Unsettled(devnet.Wallet()); got != booked {
		t.Errorf("the provider says %s neuron are unsettled, the book says %s", got, booked)
	}
	if err := lorem.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	after, _, err := w.net.Chain.SubAccount(ctx, devnet.Wallet(), lorem.Address())
	if err != nil {
		t.Fatal(err)
	}
	if got := before.Balance.Sub(after.Balance); got != booked {
		t.Errorf("the chain took %s neuron, the book says %s", got, booked)
	}
	// What was sent and what came back is what the provider saw.
	for _, x := range lorem.Exchanges() {
		t.Logf("%+v", x)
	}
}
