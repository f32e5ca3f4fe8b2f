package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// reply is what came back for one request of a scenario.
type reply struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Type   string `json:"type"`
	Usage  bool   `json:"usage"` // the request asked a stream for its usage
	Body   []byte `json:"body"`
}

// played is how one scenario went.
type played struct {
	Client, Target string  `json:"-"`
	Scenario       string  `json:"scenario"`
	OK             bool    `json:"ok"`
	Error          string  `json:"error"`
	Differs        string  `json:"differs"` // why answers are not compared; empty: they are
	Answers        []reply `json:"answers"`
	Same           bool    `json:"-"` // all of the answers were the bare provider's
}

// documented are the differences between an answer through the daemon and one of the bare provider. What a pattern finds
// is left out of the comparison, in both. The page lists them.
var documented = []struct {
	pattern *regexp.Regexp // nil: see sameAnswer
	with    string
	what    string
}{
	{regexp.MustCompile(`"id":"(chatcmpl-|msg_|video_|decision-)[0-9a-f-]{24,36}"`), `"id":"…"`, "The provider's own ids, which are random. They are passed on as they are."},
	{regexp.MustCompile(`"jobId":"[^"]*"`), `"jobId":"…"`, "So do the ids of jobs."},
	{regexp.MustCompile(`"(created|created_at|completed_at|expires_at|createdAt|updatedAt)":("[^"]*"|\d+)`), `"$1":0`, "The provider's clock."},
	{regexp.MustCompile(`"url":"http://[^"]*/images/(?:0x[0-9a-fA-F]{40}/)?[0-9a-f-]{36}/(\d+)"`), `"url":"…/$1"`, "URLs of images that the provider keeps lead to zgproxy instead, which fetches them."},
	{nil, "", "Of videos only the length is compared: simulated ones are made of their ids."},
	{nil, "", "The usage chunk of a stream whose caller did not ask for one. A bare provider adds it by itself; zgproxy asks for it to know the fee, and keeps it."},
	{nil, "", "Errors that a provider puts as a string, a page or plain text. zgproxy puts them into OpenAI's or Anthropic's envelope. Error objects are passed on as they are, but for the charset in their Content-Type."},
	{nil, "", "Headers. zgproxy lets through those that clients use and adds `X-Request-Id`, `X-Zgproxy-Provider`, `X-Zgproxy-Verdict`, `X-Zgproxy-Fee-Neuron`, `X-Zgproxy-Fee-Basis`, and `X-Zgproxy-Error` to errors."},
	{nil, "", "Where the connection to a provider breaks, or its answer ends before its end, zgproxy tells the caller: an error event in a stream, 502 before it."},
}

// compared finds out which scenarios got the bare provider's answers through the daemon, and fails those that should have and
// did not.
func compared(all []played) []played {
	for i := range all {
		o := &all[i]
		if o.Target != viaDaemon || !o.OK || o.Differs != "" {
			continue
		}
		bare := slices.IndexFunc(all, func(b played) bool {
			return b.Target == bareProvider && b.Client == o.Client && b.Scenario == o.Scenario && b.OK
		})
		if bare < 0 {
			continue
		}
		if err := sameAnswers(o.Answers, all[bare].Answers); err != nil {
			o.OK, o.Error = false, "the answers differ: "+err.Error()
			continue
		}
		o.Same = len(o.Answers) > 0 && !slices.ContainsFunc(all[bare].Answers, reworded)
	}
	return all
}

// sameAnswers compares what a scenario got through the daemon with what it got from the bare provider.
func sameAnswers(daemon, bare []reply) error {
	if len(daemon) != len(bare) {
		return fmt.Errorf("%d answers through the daemon, %d of the bare provider", len(daemon), len(bare))
	}
	for i := range daemon {
		if err := sameAnswer(daemon[i], bare[i]); err != nil {
			return fmt.Errorf("answer %d, %s %s: %w", i, daemon[i].Method, daemon[i].Path, err)
		}
	}
	return nil
}

// reworded reports whether an answer of a bare provider is one that does not reach callers of a daemon as it is: an error
// that is no object, or no answer at all.
func reworded(bare reply) bool {
	return bare.Status == 0 || (bare.Status >= http.StatusBadRequest && !errorObject(bare.Body))
}

func sameAnswer(daemon, bare reply) error {
	if reworded(bare) {
		return nil
	}
	if bare.Status >= http.StatusBadRequest {
		bare.Type, _, _ = strings.Cut(bare.Type, ";")
		daemon.Type, _, _ = strings.Cut(daemon.Type, ";")
	}
	if daemon.Status != bare.Status || daemon.Type != bare.Type {
		return fmt.Errorf("%d %q, want %d %q", daemon.Status, daemon.Type, bare.Status, bare.Type)
	}
	if strings.HasPrefix(bare.Type, "text/event-stream") && !bare.Usage {
		bare.Body = withoutUsage(bare.Body)
	}
	if bare.Type == "video/mp4" {
		if len(daemon.Body) != len(bare.Body) {
			return fmt.Errorf("%d bytes of a video, want %d", len(daemon.Body), len(bare.Body))
		}
		return nil
	}
	got, want := masked(daemon.Body), masked(bare.Body)
	if at := firstDifference(got, want); at >= 0 {
		return fmt.Errorf("at byte %d: %q, want %q", at, around(got, at), around(want, at))
	}
	return nil
}

// errorObject reports whether an error has the form that is passed on as it is.
func errorObject(body []byte) bool {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal(body, &e) == nil && e.Error.Message != ""
}

// withoutUsage is a stream without the event that has nothing but the usage.
func withoutUsage(stream []byte) []byte {
	var kept []byte
	for event := range bytes.SplitAfterSeq(stream, []byte("\n\n")) {
		if !bytes.Contains(event, []byte(`"choices":[],"usage":`)) {
			kept = append(kept, event...)
		}
	}
	return kept
}

func masked(body []byte) []byte {
	for _, d := range documented {
		if d.pattern != nil {
			body = d.pattern.ReplaceAll(body, []byte(d.with))
		}
	}
	return body
}

// firstDifference is where two texts part, or -1.
func firstDifference(a, b []byte) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func around(b []byte, at int) []byte { return b[min(len(b), max(0, at-40)):min(len(b), at+60)] }
