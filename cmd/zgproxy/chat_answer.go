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

// ask sends a conversation and reads the answer, showing it as it comes. A signal stops it: then what came is the answer.
func (t *talk) ask(ctx context.Context, messages []message, show bool) (r chatReport, err error) {
	body := map[string]any{"model": t.model, "messages": t.history(messages), "stream": true}
	if t.flags.maxTokens > 0 {
		body["max_tokens"] = t.flags.maxTokens
	}
	if t.temperature {
		body["temperature"] = t.flags.temperature
	}
	text, err := json.Marshal(body)
	if err != nil {
		return r, err
	}
	asking, stop := t.stoppable(ctx)
	defer stop()
	if err := t.conn.fund(asking, zg.Chatbot, t.model, t.flags.provider); err != nil {
		return r, err
	}
	req, err := t.conn.request(asking, http.MethodPost, "/chat/completions", "application/json", bytes.NewReader(text))
	if err != nil {
		return r, err
	}
	if t.flags.provider != "" {
		req.Header.Set("X-Zgproxy-Provider", t.flags.provider)
	}
	began := time.Now()
	resp, err := t.conn.send(req)
	if err != nil {
		if errors.Is(err, errStopped) { // it may have reached a provider
			t.book(&r.Outcome)
		}
		return r, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	s := &shower{c: t.c, on: show}
	err = readEvents(resp.Body, func(data []byte) error { return r.take(data, s) })
	s.end()
	if err != nil {
		if cause := context.Cause(asking); cause != nil {
			err = cause
		}
		if len(r.Answer)+len(r.Reasoning) > 0 && show {
			t.c.printf("\n")
		}
		r.Outcome = outcomeSaid(resp, began)
		t.book(&r.Outcome)
		return r, broken(err, resp)
	}
	r.Outcome = t.conn.outcomeOf(asking, resp, began)
	t.conn.served(asking, &r.Outcome)
	t.book(&r.Outcome)
	return r, nil
}

// broken is an answer that did not reach its end.
func broken(err error, resp *http.Response) error {
	if errors.Is(err, errStopped) {
		return err
	}
	hint := "What was shown is not the whole answer."
	if id := resp.Header.Get("X-Request-Id"); id != "" {
		hint += " (request " + oneLine(id) + ")"
	}
	return problem(codeAPI, hint, "the answer breaks off: %v", err)
}

// chunk is one event of a streamed answer.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content          string `json:"content"`
			Reasoning        string `json:"reasoning"`
			ReasoningContent string `json:"reasoning_content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Error *apiError `json:"error"`
}

func (r *chatReport) take(data []byte, s *shower) error {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("an event makes no sense: %w", err)
	}
	if c.Error != nil {
		return errors.New(oneLine(c.Error.Message))
	}
	for _, choice := range c.Choices {
		thought := choice.Delta.ReasoningContent + choice.Delta.Reasoning
		r.Reasoning += thought
		r.Answer += choice.Delta.Content
		if choice.FinishReason != "" {
			r.FinishReason = oneLine(choice.FinishReason)
		}
		s.think(thought)
		s.say(choice.Delta.Content)
	}
	return nil
}

// shower shows an answer as it comes. On a terminal nothing in it can do more than be read; what the model thinks is dimmed
// there, and nowhere else shown.
type shower struct {
	c        console
	on       bool
	thinking bool
}

func (s *shower) think(text string) {
	if !s.on || text == "" || !s.c.shown {
		return
	}
	s.thinking = true
	s.c.printf("%s", s.c.coloured(styleDim, styled(zg.Lines(text))))
}

func (s *shower) say(text string) {
	if !s.on || text == "" {
		return
	}
	if s.thinking {
		s.thinking = false
		s.c.printf("\n\n")
	}
	if !s.c.shown { // a program reads it
		_, _ = io.WriteString(exactly(s.c.out), text) // output remembers what could not be written
		return
	}
	s.c.printf("%s", styled(zg.Lines(text)))
}

func (s *shower) end() {
	if s.thinking {
		s.c.printf("\n")
	}
}

// maxEvent bounds one event of a stream.
const maxEvent = 8 << 20

var errNoEnd = errors.New("its end is missing")

// readEvents reads server-sent events until [DONE], which has to come. Comments and other fields are skipped.
func readEvents(r io.Reader, take func(data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var event []byte
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if len(event) > 0 {
				event = append(event, '\n')
			}
			if event = append(event, bytes.TrimPrefix(data, []byte(" "))...); len(event) > maxEvent {
				return errors.New("an event is too long")
			}
			continue
		}
		if len(line) > 0 || len(event) == 0 {
			continue
		}
		if string(event) == "[DONE]" {
			_, err := io.Copy(io.Discard, r) // the trailer comes behind it
			return err
		}
		if err := take(event); err != nil {
			return err
		}
		event = event[:0]
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if string(event) == "[DONE]" { // some end there, without the empty line
		return nil
	}
	return errNoEnd
}
