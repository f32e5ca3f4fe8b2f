package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
	"golang.org/x/sync/errgroup"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// Where answers that are not shown to be the signer's are withheld, the official client reports an error in every way of
// asking, and notices nothing as long as all is well.
func TestOpenAIClientWhereAnswersAreWithheld(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_VERIFY=enforce")
	w.inProcess()
	client, ctx := w.client(), t.Context()
	ask := openai.ChatCompletionNewParams{Model: "echo-1", Messages: userSays("Hello, 0G!")}

	got, err := client.Chat.Completions.New(ctx, ask)
	if err != nil || got.Choices[0].Message.Content != "Hello, 0G!" {
		t.Errorf("chat = %+v, %v", got, err)
	}
	text, err := streamed(ctx, client, ask)
	if err != nil || text != "Hello, 0G!" {
		t.Errorf("stream = %q, %v", text, err)
	}
	pictures, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Model: "picture-1", Prompt: "an otter"})
	if err != nil || len(pictures.Data) != 1 || pictures.Data[0].B64JSON == "" {
		t.Errorf("images = %+v, %v", pictures, err)
	}
	spoken, err := client.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: "speech-1", File: strings.NewReader("sound")})
	if err != nil || !strings.Contains(spoken.Text, "5 bytes") {
		t.Errorf("transcription = %+v, %v", spoken, err)
	}
	if page, err := client.Models.List(ctx); err != nil || len(page.Data) != 4 {
		t.Errorf("models = %+v, %v", page, err)
	}

	for _, p := range w.net.Providers {
		p.SetFault(simprovider.Fault{Kind: simprovider.SignatureOtherBytes})
	}
	withheld := func(what string, err error) {
		t.Helper()
		var api *openai.Error
		if !errors.As(err, &api) || api.StatusCode != http.StatusBadGateway || api.Code != "answer_not_verified" {
			t.Errorf("%s: %v, want an API error with status 502 and answer_not_verified", what, err)
		}
	}
	_, err = client.Chat.Completions.New(ctx, ask)
	withheld("chat", err)
	_, err = client.Images.Generate(ctx, openai.ImageGenerateParams{Model: "picture-1", Prompt: "another otter"})
	withheld("images", err)
	_, err = client.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: "speech-1", File: strings.NewReader("noise")})
	withheld("transcription", err)
	// Another provider: the first is not asked any more.
	text, err = streamed(ctx, client, openai.ChatCompletionNewParams{Model: "lorem-1", Messages: userSays("lorem:7")})
	if err == nil || !strings.Contains(err.Error(), "answer_not_verified") || len(strings.Fields(text)) != 7 {
		t.Errorf("stream = %q, %v; want all words, and then an error", text, err)
	}
}

// streamed reads a stream to its end and returns the words of it.
func streamed(ctx context.Context, client openai.Client, ask openai.ChatCompletionNewParams) (string, error) {
	stream := client.Chat.Completions.NewStreaming(ctx, ask)
	var text strings.Builder
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text.WriteString(c.Delta.Content)
		}
	}
	return text.String(), errors.Join(stream.Err(), stream.Close())
}

var weatherTool = openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
	Name: "get_weather", Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}},
})

// goScenarios are what openai-go does, by the names of docs/compatibility.md.
var goScenarios = []goScenario{
	{name: "chat", play: func(s *stage) {
		got, err := s.chat("echo-1", "Hello, 0G!")
		if err != nil || got.Choices[0].Message.Content != "Hello, 0G!" || got.Usage.TotalTokens == 0 {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "chat, all of Unicode", play: func(s *stage) {
		const text = "Ωmega 🌄 — \u2028 <b>&amp;</b> é \x00 日本語"
		if got, err := s.chat("echo-1", text); err != nil || got.Choices[0].Message.Content != text {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "chat, several choices", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.Raw, N: 1, Raw: &simprovider.RawAnswer{ContentType: "application/json", Pieces: [][]byte{[]byte(
			`{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"content":"one"}},{"index":1,"message":{"content":"two"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		)}}})
		got, err := s.client(model).Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: model, Messages: userSays("twice"), N: openai.Int(2)})
		if err != nil || len(got.Choices) != 2 || got.Choices[1].Message.Content != "two" {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "chat, headers of the answer", only: viaDaemon, play: func(s *stage) {
		var resp *http.Response
		_, err := s.client("echo-1").Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: "echo-1", Messages: userSays("how much?")},
			option.WithResponseInto(&resp))
		if err != nil {
			s.Fatal(err)
		}
		booked, err := s.site.booked(resp.Header.Get("X-Request-Id"))
		if fee := resp.Header.Get("X-Zgproxy-Fee-Neuron"); err != nil || fee == "" || !strings.Contains(string(booked), `"`+fee+`"`) {
			s.Errorf("the header says a fee of %q, the book %s, %v", fee, booked, err)
		}
	}},
	{name: "stream", play: func(s *stage) {
		if text, err := s.streamed(openai.ChatCompletionNewParams{Model: "lorem-1", Messages: userSays("lorem:25")}); err != nil || len(strings.Fields(text)) != 25 {
			s.Errorf("%q, %v", text, err)
		}
	}},
	{name: "stream with usage", play: func(s *stage) {
		stream := s.client("lorem-1").Chat.Completions.NewStreaming(s.Context(), openai.ChatCompletionNewParams{
			Model: "lorem-1", Messages: userSays("lorem:25"), StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
		})
		var gathered openai.ChatCompletionAccumulator
		for stream.Next() {
			gathered.AddChunk(stream.Current())
		}
		if err := errors.Join(stream.Err(), stream.Close()); err != nil || gathered.Usage.CompletionTokens != 25 {
			s.Errorf("usage = %+v, %v", gathered.Usage, err)
		}
	}},
	{name: "stream, left in the middle", differs: "how much arrives before a caller leaves is chance", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.Stall, After: 3, N: 1})
		stream := s.client(model).Chat.Completions.NewStreaming(s.Context(), openai.ChatCompletionNewParams{Model: model, Messages: userSays("lorem:50")})
		for range 3 {
			if !stream.Next() {
				s.Fatalf("the stream ended: %v", stream.Err())
			}
		}
		if err := errors.Join(stream.Close(), s.site.awaitIdle(model)); err != nil {
			s.Fatal(err)
		}
		if got, err := s.chat(model, "lorem:7"); err != nil || len(strings.Fields(got.Choices[0].Message.Content)) != 7 {
			s.Errorf("the next one: %+v, %v", got, err)
		}
	}},
	{name: "stream that is cut off", differs: "a bare provider's connection just ends; zgproxy tells first", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.ResetMidStream, After: 4, N: 1})
		if text, err := s.streamed(openai.ChatCompletionNewParams{Model: model, Messages: userSays("lorem:50")}); err == nil {
			s.Errorf("%q and no error", text)
		}
	}},
	{name: "stream that ends in a bare error", differs: "a bare provider's line is no event; zgproxy tells", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.MidStreamError, After: 4, N: 1})
		text, err := s.streamed(openai.ChatCompletionNewParams{Model: model, Messages: userSays("lorem:50")})
		if s.daemon() && (err == nil || !strings.Contains(err.Error(), "truncated") || strings.Contains(err.Error(), "gone away")) {
			s.Errorf("%q and %v, want an error in zgproxy's words", text, err)
		}
	}},
	{name: "tools, one call", play: func(s *stage) {
		got, err := s.client("echo-1").Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{
			Model: "echo-1", Messages: userSays("What is the weather in Zug?"), Tools: []openai.ChatCompletionToolUnionParam{weatherTool},
		})
		if err != nil || len(got.Choices[0].Message.ToolCalls) != 1 || got.Choices[0].Message.ToolCalls[0].Function.Arguments != `{"city":"Zug"}` {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "tools, streamed", play: func(s *stage) {
		stream := s.client("echo-1").Chat.Completions.NewStreaming(s.Context(), openai.ChatCompletionNewParams{
			Model: "echo-1", Messages: userSays("What is the weather in Zug?"), Tools: []openai.ChatCompletionToolUnionParam{weatherTool},
		})
		var gathered openai.ChatCompletionAccumulator
		for stream.Next() {
			gathered.AddChunk(stream.Current())
		}
		if err := errors.Join(stream.Err(), stream.Close()); err != nil || gathered.Choices[0].Message.ToolCalls[0].Function.Arguments != `{"city":"Zug"}` {
			s.Errorf("%+v, %v", gathered.Choices, err)
		}
	}},
	{name: "JSON mode", play: func(s *stage) {
		got, err := s.client("echo-1").Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{
			Model: "echo-1", Messages: userSays("plain words"),
			ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}},
		})
		if err != nil || got.Choices[0].Message.Content != `{"echo":"plain words"}` {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "20 at a time", play: func(s *stage) {
		client := s.client("echo-1")
		var g errgroup.Group
		for range 20 {
			g.Go(func() error {
				_, err := client.Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: "echo-1", Messages: userSays("one of twenty")})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			s.Error(err)
		}
	}},
	{name: "images, two of them", play: func(s *stage) {
		got, err := s.client("picture-1").Images.Generate(s.Context(), openai.ImageGenerateParams{Model: "picture-1", Prompt: "two otters", N: openai.Int(2)})
		if err != nil || len(got.Data) != 2 || got.Data[0].B64JSON == got.Data[1].B64JSON {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "images by URL", play: func(s *stage) {
		got, err := s.client("picture-1").Images.Generate(s.Context(), openai.ImageGenerateParams{
			Model: "picture-1", Prompt: "an otter", ResponseFormat: openai.ImageGenerateParamsResponseFormatURL,
		})
		if err != nil {
			s.Fatal(err)
		}
		if code, picture := s.site.get(got.Data[0].URL); code != http.StatusOK || http.DetectContentType([]byte(picture)) != "image/png" {
			s.Errorf("%s: %d %.100q", got.Data[0].URL, code, picture)
		}
		if s.daemon() && !strings.HasPrefix(got.Data[0].URL, s.site.front.Root) {
			s.Errorf("%s is not ours", got.Data[0].URL)
		}
	}},
	{name: "image edits", play: func(s *stage) {
		got, err := s.client("retouch-1").Images.Edit(s.Context(), openai.ImageEditParams{
			Model: "retouch-1", Prompt: "a hat", Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader("picture"), "a.png", "image/png")},
		})
		if err != nil || len(got.Data) != 1 || got.Data[0].B64JSON == "" {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "transcription, JSON", play: func(s *stage) {
		got, err := s.client("speech-1").Audio.Transcriptions.New(s.Context(), openai.AudioTranscriptionNewParams{Model: "speech-1", File: strings.NewReader("sound")})
		if err != nil || !strings.Contains(got.Text, "5 bytes") {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "speech", play: func(s *stage) {
		resp, err := s.client("voice-1").Audio.Speech.New(s.Context(), openai.AudioSpeechNewParams{
			Model: "voice-1", Input: "A short sentence to be spoken.", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
		})
		if err != nil {
			s.Fatal(err)
		}
		sound, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || len(sound) == 0 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "audio/") {
			s.Errorf("%d bytes of %s, %v", len(sound), resp.Header.Get("Content-Type"), err)
		}
	}},
	{name: "embeddings, floats of a list", play: func(s *stage) {
		got, err := s.client("vectors-1").Embeddings.New(s.Context(), openai.EmbeddingNewParams{
			Model: "vectors-1", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}},
		})
		if err != nil || len(got.Data) != 2 || len(got.Data[0].Embedding) == 0 {
			s.Errorf("%+v, %v", got, err)
		}
	}},
	{name: "videos, made, looked at and fetched", play: playVideos},
	{name: "models", only: viaDaemon, play: func(s *stage) {
		page, err := s.client("echo-1").Models.List(s.Context())
		if err != nil || !slices.ContainsFunc(page.Data, func(m openai.Model) bool { return m.ID == "echo-1" }) {
			s.Errorf("%+v, %v", page, err)
		}
		if m, err := s.client("echo-1").Models.Get(s.Context(), "echo-1"); err != nil || m.ID != "echo-1" || m.OwnedBy == "" {
			s.Errorf("%+v, %v", m, err)
		}
	}},
	{name: "error: a wrong key, an unknown model, a provider that is not allowed", only: viaDaemon, play: func(s *stage) {
		ask := openai.ChatCompletionNewParams{Model: "echo-1", Messages: userSays("hi")}
		_, err := s.client("echo-1", option.WithAPIKey("wrong")).Chat.Completions.New(s.Context(), ask)
		s.refused(err, http.StatusUnauthorized, "invalid_api_key")
		_, err = s.chat("gpt-5", "hi")
		s.refused(err, http.StatusNotFound, "model_not_found")
		_, err = s.chat(s.site.forbidden, "hi")
		s.refused(err, http.StatusForbidden, "")
	}},
	{name: "error: of the model server", play: func(s *stage) {
		_, err := s.client("echo-1").Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: "echo-1", Messages: []openai.ChatCompletionMessageParamUnion{}})
		if message, _ := s.refused(err, http.StatusBadRequest, ""); message != "messages must not be empty" {
			s.Errorf("%q", message)
		}
	}},
	{name: "error: a rate limit with Retry-After", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.RateLimited, N: 1})
		_, err := s.chat(model, "hi")
		if _, h := s.refused(err, http.StatusTooManyRequests, ""); s.daemon() && h.Get("Retry-After") == "" {
			s.Errorf("no Retry-After: %v", h)
		}
	}},
	{name: "retry after a failure of the model server", play: func(s *stage) {
		model := s.takeSpare()
		s.site.setFault(model, simprovider.Fault{Kind: simprovider.ServerError, Status: http.StatusServiceUnavailable, N: 1})
		got, err := s.client(model, option.WithMaxRetries(2)).Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: model, Messages: userSays("lorem:4")})
		if err != nil || len(strings.Fields(got.Choices[0].Message.Content)) != 4 {
			s.Errorf("%+v, %v", got, err)
		}
	}},
}

// playVideos uses an API that its vendor is about to withdraw; providers go on with it.
//
//nolint:staticcheck // deprecated, see above
func playVideos(s *stage) {
	client := s.client("film-1")
	film, err := client.Videos.New(s.Context(), openai.VideoNewParams{Model: "film-1", Prompt: "an otter swims", Seconds: openai.VideoSeconds4})
	for i := 0; err == nil && film.Status != openai.VideoStatusCompleted && i < 20; i++ {
		film, err = client.Videos.Get(s.Context(), film.ID)
	}
	if err != nil {
		s.Fatal(err)
	}
	resp, err := client.Videos.DownloadContent(s.Context(), film.ID, openai.VideoDownloadContentParams{})
	if err != nil {
		s.Fatal(err)
	}
	footage, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || len(footage) == 0 {
		s.Errorf("%d bytes, %v", len(footage), err)
	}
}

// streamed reads a stream to its end and returns the words of it.
func (s *stage) streamed(ask openai.ChatCompletionNewParams) (string, error) {
	return streamed(s.Context(), *s.client(ask.Model), ask)
}
