package simprovider

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// upload is a transcription request; of the audio only size and digest are kept.
type upload struct {
	fields    map[string]string
	hasAudio  bool
	audio     int64
	audioHash hash.Hash
}

const (
	maxField       = 64 << 10 // of a form
	bytesPerSecond = 16_000   // of audio, as if all of it were coded the same way
)

// seconds is the length that the audio is taken for, in tenths.
func (u *upload) seconds() float64 {
	return math.Round(float64(u.audio)*10/bytesPerSecond) / 10
}

// countingReader hashes and counts what is read through it, up to a limit.
type countingReader struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	if c.n += int64(n); c.n > maxBody {
		return 0, errTooLarge()
	}
	return n, err
}

// readUpload reads the form as it comes, holding no audio.
func (x *exchange) readUpload() (*upload, error) {
	body := &countingReader{r: x.r.Body, sum: sha256.New()}
	defer func() { x.received(body.n, [sha256.Size]byte(body.sum.Sum(nil))) }()
	kind, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, refuse("validate request: a transcription needs multipart/form-data")
	}
	u := &upload{fields: make(map[string]string), audioHash: sha256.New()}
	form := multipart.NewReader(body, params["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		if part.FormName() == "file" {
			n, err := io.Copy(u.audioHash, part)
			if err != nil {
				return nil, formError(err)
			}
			u.hasAudio, u.audio = true, n
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return nil, formError(err)
		}
		u.fields[part.FormName()] = string(value)
	}
	if _, err := io.Copy(io.Discard, body); err != nil { // what follows the form belongs to the body
		return nil, formError(err)
	}
	return u, nil
}

func formError(err error) error {
	if r, ok := errors.AsType[*refusalError](err); ok {
		return r
	}
	return refuse("validate request: invalid multipart form: " + err.Error())
}

// transcript is the answer in all its forms.
type transcript struct {
	text    string
	seconds float64
	usage   map[string]any
}

func (x *exchange) transcribe() error {
	u, err := x.readUpload()
	if err != nil {
		return err
	}
	if err := x.admit(u.fields["model"]); err != nil {
		return err
	}
	if !u.hasAudio {
		return modelError(http.StatusBadRequest, "BadRequestError", "file is required")
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
		return fmt.Errorf("the provider closes: %w", x.p.ctx.Err())
	}
	t := transcript{
		text:    fmt.Sprintf("Received %d bytes of audio with SHA-256 %s.", u.audio, hex.EncodeToString(u.audioHash.Sum(nil))),
		seconds: u.seconds(),
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
			if n, ok := v.(float64); ok {
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
	var body []byte
	switch u.fields["response_format"] {
	case "", "json":
		body = encodePlain(t.object(map[string]any{"text": t.text}))
	case "verbose_json":
		body = encodePlain(t.object(map[string]any{
			"task": "transcribe", "language": "english", "duration": t.seconds, "text": t.text,
			"segments": []any{map[string]any{"id": 0, "start": 0, "end": t.seconds, "text": t.text}},
		}))
	case "text": // carries no usage and no times, so words are counted
		contentType, body, billed = "text/plain; charset=utf-8", []byte(t.text+"\n"), byWords
	case "srt": // the end of the last cue is the usage
		contentType, billed = "application/x-subrip", zg.Usage{Seen: true, Seconds: t.seconds, BySeconds: true}
		body = fmt.Appendf(nil, "1\n%s --> %s\n%s\n\n", cue(0, ','), cue(t.seconds, ','), t.text)
	case "vtt":
		contentType, billed = "text/vtt", zg.Usage{Seen: true, Seconds: t.seconds, BySeconds: true}
		body = fmt.Appendf(nil, "WEBVTT\n\n%s --> %s\n%s\n\n", cue(0, '.'), cue(t.seconds, '.'), t.text)
	default:
		return modelError(http.StatusBadRequest, "BadRequestError", "unknown response_format")
	}
	if x.fault.Kind == Gzip {
		body = compress(body)
		x.w.Header().Set("Content-Encoding", "gzip")
	}
	x.attest(x.record.RequestSHA256, digest(x.signedForm(body)))
	x.bill(billed)
	x.deliver(contentType, body)
	return nil
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
