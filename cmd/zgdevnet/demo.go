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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The demo's daemon listens where the real one does, so that everything printed can be pasted as it stands.
const (
	demoAPI   = "http://127.0.0.1:3000"
	demoAdmin = "http://127.0.0.1:3090"
)

// demo runs the daemon in front of the network, has one completion streamed through it, says what it cost and what was
// verified, and keeps both running until ctx ends.
func demo(ctx context.Context, env []string, model, binary string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "zgproxy-demo-")
	if err != nil {
		return fmt.Errorf("make a data directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logPath := filepath.Join(dir, "zgproxy.log")
	logFile, err := os.Create(logPath) //nolint:gosec // a name of our own in a directory of our own
	if err != nil {
		return fmt.Errorf("create the daemon's log: %w", err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()

	daemonCtx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(daemonCtx, binary, "serve")
	cmd.Env = append(withoutOurs(os.Environ()), env...)
	cmd.Env = append(cmd.Env, "ZGPROXY_DATA_DIR="+filepath.Join(dir, "data"), "ZGPROXY_LOG_FORMAT=console")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// Ctrl-C goes to everybody in the terminal's group. zgproxy is not, so that it gets one signal only: a second ends it at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", binary, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) } // a closed terminal ends the demo by signal
	say("\nStarting zgproxy in front of it (log: %s) ...", logPath)
	if err := waitReady(ctx, exited); err != nil {
		tail, _ := os.ReadFile(logPath) //nolint:gosec // our own log; if it is gone the error stands alone
		return fmt.Errorf("%w\n%s", err, tail)
	}
	say("zgproxy is ready on %s/v1\n", demoAPI)

	id, err := streamOnce(ctx, model, out)
	if err != nil {
		return fmt.Errorf("the demonstration request failed: %w", err)
	}
	if err := tellReceipt(ctx, id, out); err != nil {
		return err
	}
	say(demoNext, demoAPI, model, demoAPI, model, demoAPI, model, demoAPI, demoAdmin)

	select {
	case <-ctx.Done():
		say("\nStopping ...")
		if err := <-exited; err != nil && cmd.ProcessState.ExitCode() != 0 {
			return fmt.Errorf("zgproxy did not stop cleanly: %w", err)
		}
		return nil
	case err := <-exited:
		return fmt.Errorf("zgproxy ended by itself: %w", errors.Join(err, ctx.Err()))
	}
}

const demoNext = `
It keeps running. Try it from another terminal:

  curl -N %s/v1/chat/completions -H 'Content-Type: application/json' \
    -d '{"model":"%s","stream":true,"messages":[{"role":"user","content":"Hello, 0G!"}]}'

  # Python: pip install openai
  from openai import OpenAI
  client = OpenAI(base_url="%s/v1", api_key="unused")
  print(client.chat.completions.create(model="%s", messages=[{"role": "user", "content": "Hello!"}]).choices[0].message.content)

  // JavaScript: npm install openai
  import OpenAI from "openai";
  const client = new OpenAI({ baseURL: "%s/v1", apiKey: "unused" });
  console.log((await client.chat.completions.create({ model: "%s", messages: [{ role: "user", content: "Hello!" }] })).choices[0].message.content);

Models: %s/v1/models    Operator: %s (/v1/status, /metrics, /readyz)
Ctrl-C ends it.`

// withoutOurs drops ZGPROXY_ variables of the surrounding shell: the demo must not touch a real wallet.
func withoutOurs(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "ZGPROXY_") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// waitReady polls /readyz until it says so, the daemon ends, or a minute has passed.
func waitReady(ctx context.Context, exited <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := request(ctx, http.MethodGet, demoAdmin+"/readyz", nil); err == nil {
			_ = resp.Body.Close() // only the status matters
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("zgproxy did not become ready: %w", ctx.Err())
		case err := <-exited:
			return fmt.Errorf("zgproxy ended before it was ready (%w); see its log", errors.Join(errors.New("exited"), err))
		case <-tick.C:
		}
	}
}

func request(ctx context.Context, method, url string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return (&http.Client{}).Do(req)
}

// streamOnce prints a completion while it arrives and returns the request's id.
func streamOnce(ctx context.Context, model string, out io.Writer) (id string, err error) {
	const prompt = "Every answer is paid for by the wallet and signed by the provider. lorem:40"
	body, err := json.Marshal(map[string]any{
		"model": model, "stream": true, "messages": []map[string]string{{"role": "user", "content": prompt}},
	})
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(out, "  you    > %s\n  %s > ", prompt, model) // see say
	resp, err := request(ctx, http.MethodPost, demoAPI+"/v1/chat/completions", body)
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
		_, _ = io.WriteString(out, chunk.Choices[0].Delta.Content) // see say
	}
	_, _ = fmt.Fprintln(out) // see say
	return resp.Header.Get("X-Request-Id"), lines.Err()
}

// tellReceipt waits for the verdict, which follows the last byte, and says what the answer cost and what was shown.
func tellReceipt(ctx context.Context, id string, out io.Writer) error {
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
		resp, err := request(ctx, http.MethodGet, demoAdmin+"/v1/requests/"+id, nil)
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
			_, _ = fmt.Fprintf(out, "\n  paid     %s 0G = %s neuron (%s: %d input + %d output tokens) to %s\n  verdict  %s: %s\n", // see say
				rec.Fee.Og(), rec.Fee, rec.Basis, rec.InputTokens, rec.OutputTokens, rec.Provider, verdict, verdict.Sentence())
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("request %s was not booked and checked in time: state %q, verdict %q", id, rec.State, rec.Verdict)
		case <-tick.C:
		}
	}
}
