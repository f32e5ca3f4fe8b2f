package simprovider

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const bytesPerSecond = 16_000 // of audio, as if all of it were coded the same way

// transcript is the answer in all its forms.
type transcript struct {
	text    string
	seconds float64
	usage   map[string]any
}

func (x *exchange) transcribe() error {
	body := newCountingReader(x.r.Body)
	u, err := body.form(x.r.Header)
	x.received(body.n, body.digest())
	if err != nil {
		return err
	}
	if err := x.admit(u.fields["model"]); err != nil {
		return err
	}
	audio, ok := u.file("file")
	if !ok {
		return modelError(http.StatusBadRequest, "BadRequestError", "file is required")
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
		return x.closing()
	}
	x.mute = x.unsignedTranscript(u.fields["response_format"], u.fields["stream"] == "true")
	t := transcript{
		text:    fmt.Sprintf("Received %d bytes of audio with SHA-256 %s.", audio.size, audio.sum),
		seconds: math.Round(float64(audio.size)*10/bytesPerSecond) / 10,
	}
	billed := zg.Usage{Seen: true, Seconds: t.seconds, BySeconds: true}
	t.usage = map[string]any{"type": "duration", "seconds": t.seconds}
	if x.p.cfg.Behaviour == TranscribeTokens {
		billed = zg.Usage{Seen: true, InputTokens: uint64(math.Ceil(t.seconds * 10)), OutputTokens: countTokens(t.text)}
		t.usage = map[string]any{
			"type": "tokens", "input_tokens": billed.InputTokens, "output_tokens": billed.OutputTokens,
			"total_tokens": billed.InputTokens + billed.OutputTokens,
		}
	}
	if x.fault.Kind == WrongUsage {
		for k, v := range t.usage {
			switch n := v.(type) {
			case float64:
				t.usage[k] = 2 * n
			case uint64:
				t.usage[k] = 2 * n
			}
		}
	}
	byWords := zg.Usage{Words: uint64(len(strings.Fields(t.text)))}
	if x.fault.Kind == NoUsage {
		t.usage, billed = nil, byWords
	}
	if u.fields["stream"] == "true" {
		x.record.Stream = true
		x.streamTranscript(t, billed, byWords)
		return nil
	}
	contentType := "application/json"
	var reply []byte
	bySeconds := zg.Usage{Seen: true, Seconds: t.seconds, BySeconds: true}
	switch u.fields["response_format"] {
	case "", "json":
		reply = encodePlain(t.object(map[string]any{"text": t.text}))
	case "verbose_json":
		if t.usage == nil { // its length tells as much
			billed = bySeconds
		}
		var duration any = t.seconds
		if x.fault.Kind == QuotedDuration {
			t.usage, duration, billed = nil, strconv.FormatFloat(t.seconds, 'f', -1, 64), bySeconds
		}
		reply = encodePlain(t.object(map[string]any{
			"task": "transcribe", "language": "english", "duration": duration, "text": t.text,
			"segments": []any{map[string]any{"id": 0, "start": 0, "end": t.seconds, "text": t.text}},
		}))
	case "text": // carries no usage and no times, so words are counted
		contentType, reply, billed = "text/plain; charset=utf-8", []byte(t.text+"\n"), byWords
	case "srt": // the end of the last cue is the usage
		contentType, billed = "application/x-subrip", bySeconds
		reply = fmt.Appendf(nil, "1\n%s --> %s\n%s\n\n", cue(0, ','), cue(t.seconds, ','), t.text)
	case "vtt":
		contentType, billed = "text/vtt", bySeconds
		reply = fmt.Appendf(nil, "WEBVTT\n\n%s --> %s\n%s\n\n", cue(0, '.'), cue(t.seconds, '.'), t.text)
	default:
		return modelError(http.StatusBadRequest, "BadRequestError", "unknown response_format")
	}
	x.answer(x.record.RequestSHA256, contentType, reply, billed)
	return nil
}

// unsignedTranscript reports whether a transcript of this form is one that the provider does not sign.
func (x *exchange) unsignedTranscript(format string, stream bool) bool {
	text := !stream && (format == "text" || format == "srt" || format == "vtt")
	return (text && x.p.cfg.UnsignedText) || (x.p.cfg.Centralized != nil && x.p.cfg.UnsignedRelay)
}

// object adds the usage, if there is one.
func (t transcript) object(o map[string]any) map[string]any {
	if t.usage != nil {
		o["usage"] = t.usage
	}
	return o
}

// streamTranscript answers with one JSON object per line, the last with the usage.
func (x *exchange) streamTranscript(t transcript, billed, byWords zg.Usage) {
	x.answerHeaders("application/x-ndjson", -1)
	place := 0
	line := func(o map[string]any) bool {
		if !x.strike(place) {
			return false
		}
		place++
		x.out.write(append(encodePlain(o), '\n'))
		x.out.flush()
		return true
	}
	whole := func() bool {
		for piece := range tokens(t.text) {
			if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) || !line(map[string]any{"type": "transcript.text.delta", "delta": piece}) {
				return false
			}
		}
		return line(t.object(map[string]any{"type": "transcript.text.done", "text": t.text}))
	}()
	if !whole {
		billed = byWords
	}
	x.attest(x.record.RequestSHA256, x.out.digest())
	x.bill(billed)
}

// cue is a time of day as subtitles write it; they differ in the mark before the milliseconds.
func cue(seconds float64, mark rune) string {
	d := time.Duration(math.Round(seconds*1000)) * time.Millisecond
	return fmt.Sprintf("%02d:%02d:%02d%c%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, mark, d.Milliseconds()%1000)
}
