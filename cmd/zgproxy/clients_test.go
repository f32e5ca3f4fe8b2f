package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

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
	text, err := w.streamed(client, ask)
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
	text, err = w.streamed(client, openai.ChatCompletionNewParams{Model: "lorem-1", Messages: userSays("lorem:7")})
	if err == nil || !strings.Contains(err.Error(), "answer_not_verified") || len(strings.Fields(text)) != 7 {
		t.Errorf("stream = %q, %v; want all words, and then an error", text, err)
	}
}

// streamed reads a stream to its end and returns the words of it.
func (w *world) streamed(client openai.Client, ask openai.ChatCompletionNewParams) (string, error) {
	stream := client.Chat.Completions.NewStreaming(w.Context(), ask)
	var text strings.Builder
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text.WriteString(c.Delta.Content)
		}
	}
	return text.String(), errors.Join(stream.Err(), stream.Close())
}
