package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// crashBodies are what the callers of chats ask for.
var crashBodies = []string{
	`{"model":"lorem-1","stream":true,"max_tokens":32,"messages":[{"role":"user","content":"lorem:20"}]}`,
	`{"model":"echo-1","max_tokens":32,"messages":[{"role":"user","content":"one two three four five six seven"}]}`,
	`{"model":"lorem-1","max_tokens":32,"messages":[{"role":"user","content":"lorem:30"}]}`,
	`{"model":"echo-1","stream":true,"max_tokens":32,"messages":[{"role":"user","content":"eins zwei drei vier"}]}`,
}

// traffic lets callers send requests until the process is dead: chats, recordings of which some are broken off, and
// videos. What it returns waits for them.
func (c *crashes) traffic(p *process) (wait func()) {
	ctx, cancel := context.WithCancel(c.Context())
	t := &crashTraffic{crashes: c, p: p, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	var callers sync.WaitGroup
	work := func(i int, once func(n int) error) {
		callers.Go(func() {
			<-p.listening
			for n := i; ctx.Err() == nil; n++ {
				if once(n) == nil {
					continue
				}
				pause := time.NewTimer(3 * time.Millisecond) // refused, or not ready
				select {
				case <-ctx.Done():
				case <-pause.C:
				}
				pause.Stop()
			}
		})
	}
	for i := range crashBodies {
		work(i, func(n int) error { return t.chat(ctx, crashBodies[n%len(crashBodies)]) })
	}
	random := rand.New(rand.NewPCG(uint64(c.kills), 1))
	work(random.IntN(3), func(n int) error { return t.upload(ctx, n, random) })
	work(random.IntN(4), func(n int) error { return t.film(ctx, n) })
	return func() {
		cancel()
		callers.Wait()
		t.client.CloseIdleConnections()
	}
}

// crashTraffic is what callers want of one life of the daemon.
type crashTraffic struct {
	*crashes
	p      *process
	client *http.Client
}

// post sends one request and remembers its id if an answer began.
func (t *crashTraffic) post(ctx context.Context, path, kind string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.p.api+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // whatever is left of it
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	t.mu.Lock()
	t.answered = append(t.answered, resp.Header.Get("X-Request-Id"))
	t.mu.Unlock()
	return io.ReadAll(resp.Body)
}

func (t *crashTraffic) chat(ctx context.Context, body string) error {
	_, err := t.post(ctx, "/v1/chat/completions", "application/json", strings.NewReader(body))
	return err
}

// upload sends a recording without its length, then one with it, then a part of one, and so on.
func (t *crashTraffic) upload(ctx context.Context, n int, random *rand.Rand) error {
	form := uploadForm(t.speech.Model())
	body := io.Reader(strings.NewReader(form))
	switch n % 3 {
	case 0:
		return hangUp(ctx, t.p.api, form, random)
	case 1:
		body = struct{ io.Reader }{body}
	}
	_, err := t.post(ctx, "/v1/audio/transcriptions", "multipart/form-data; boundary="+soakBoundary, body)
	return err
}

// film asks for a video, every fourth of which fails, and for every second one how far it is until it has ended.
func (t *crashTraffic) film(ctx context.Context, n int) error {
	prompt := "the sea"
	if n%4 == 1 {
		prompt = "fail: the sea"
	}
	body := fmt.Sprintf(`{"model":%q,"prompt":%q,"seconds":6,"size":"720p"}`, t.films.Model(), prompt)
	answer, err := t.post(ctx, "/v1/videos", "application/json", strings.NewReader(body))
	var made struct{ ID string }
	if err != nil || json.Unmarshal(answer, &made) != nil || n%2 == 0 {
		return err
	}
	return poll(5*time.Millisecond, patience, t.p.dead, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.p.api+"/v1/videos/"+made.ID, nil)
		if err != nil {
			return err
		}
		status, body, err := answerOf(t.client, req)
		if err != nil {
			return err
		}
		ended := bytes.Contains(body, []byte(`"completed"`)) || bytes.Contains(body, []byte(`"failed"`))
		if status != http.StatusOK || !ended {
			return fmt.Errorf("%d %.200s", status, body)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.seenEnds++
		return nil
	})
}
