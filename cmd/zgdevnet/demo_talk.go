package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// talk holds the conversation.
func (d demonstration) talk(ctx context.Context) error {
	id, err := d.stream(ctx)
	if err != nil {
		return fmt.Errorf("the demonstration request failed: %w", err)
	}
	return d.receipt(ctx, id)
}

func request(ctx context.Context, method, url string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return (&http.Client{}).Do(req)
}

// stream prints a completion while it arrives and returns the request's id.
func (d demonstration) stream(ctx context.Context) (id string, err error) {
	const prompt = "Every answer is paid for by the wallet and signed by the provider. lorem:40"
	body, err := json.Marshal(map[string]any{
		"model": d.model, "stream": true, "messages": []map[string]string{{"role": "user", "content": prompt}},
	})
	if err != nil {
		return "", err
	}
	d.say("  you     > %s\n  %s > ", prompt, d.model)
	resp, err := request(ctx, http.MethodPost, d.place.api()+"/v1/chat/completions", body)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		text, readErr := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return "", errors.Join(fmt.Errorf("%s: %s", resp.Status, text), readErr)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if !ok || json.Unmarshal(data, &chunk) != nil || len(chunk.Choices) == 0 {
			continue
		}
		d.say("%s", chunk.Choices[0].Delta.Content)
	}
	d.say("\n")
	return resp.Header.Get("X-Request-Id"), lines.Err()
}

// receipt waits for the verdict, which follows the last byte, and says what the answer cost and what was shown.
func (d demonstration) receipt(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var rec struct {
			State, Basis, Model, Provider, Verdict string
			Fee                                    zg.Neuron `json:"fee_neuron"`
			InputTokens                            uint64    `json:"input_tokens"`
			OutputTokens                           uint64    `json:"output_tokens"`
		}
		resp, err := request(ctx, http.MethodGet, d.place.admin()+"/v1/requests/"+id, nil)
		if err != nil {
			return fmt.Errorf("ask for the record of %s: %w", id, err)
		}
		err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&rec)
		_ = resp.Body.Close() // decoded or failed: nothing more to learn
		if err != nil {
			return fmt.Errorf("read the record of %s: %w", id, err)
		}
		verdict := zg.Verdict(rec.Verdict)
		if rec.State != "open" && verdict != zg.VerdictPending && verdict != "" {
			d.say("\n  paid     %s 0G = %s neuron (%s: %d input + %d output tokens) to %s\n  verdict  %s: %s\n",
				rec.Fee.Og(), rec.Fee, rec.Basis, rec.InputTokens, rec.OutputTokens, rec.Provider, verdict, verdict.Sentence())
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("request %s was not recorded and checked in time: state %q, verdict %q",
				id, rec.State, rec.Verdict)
		case <-tick.C:
		}
	}
}
