package simprovider

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// speechRequest is what of a request for speech matters here.
type speechRequest struct {
	Model       string       `json:"model"`
	Input       string       `json:"input"`
	Format      string       `json:"response_format"`
	MaxDuration *json.Number `json:"max_duration"` // s
}

const (
	longestSpeech = 120 // s
	tenthsPerWord = 4   // s/10
	samplesPerSec = 8000
)

// audioTypes are the media types of the formats. All of them are the same bytes here.
var audioTypes = map[string]string{
	"": "audio/mpeg", "mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
}

func (x *exchange) readSpeechRequest() (*speechRequest, error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	req := &speechRequest{}
	if _, isForm := boundaryOf(x.r.Header); isForm {
		f, err := parseForm(x.r.Header, body)
		if err != nil {
			return nil, err
		}
		req.Model, req.Input, req.Format = f.fields["model"], f.fields["input"], f.fields["response_format"]
		if v, ok := f.fields["max_duration"]; ok {
			req.MaxDuration = (*json.Number)(&v)
		}
		return req, nil
	}
	if err := json.Unmarshal(body, req); err != nil {
		return nil, invalidJSON(err)
	}
	return req, nil
}

// longest is how long the speech may be, in whole seconds.
func (r *speechRequest) longest() uint64 {
	if r.MaxDuration != nil {
		if v, err := strconv.ParseUint(r.MaxDuration.String(), 10, 32); err == nil && v > 0 {
			return min(v, longestSpeech)
		}
	}
	return longestSpeech
}

// speak answers with sound, which nobody signs. What it costs is in a header.
func (x *exchange) speak() error {
	x.mute = true
	req, err := x.readSpeechRequest()
	if err != nil {
		return err
	}
	if err := x.admitFor(req.Model, req.longest()); err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	kind, ok := audioTypes[req.Format]
	switch {
	case !ok:
		return modelError(http.StatusBadRequest, "BadRequestError", "unknown response_format")
	case req.Input == "":
		return modelError(http.StatusBadRequest, "BadRequestError", "input must not be empty")
	}
	tenths := min(tenthsPerWord*max(1, uint64(len(strings.Fields(req.Input)))), 10*req.longest())
	if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
		return x.closing()
	}
	billed := zg.Usage{Seen: true, Seconds: float64(tenths) / 10, BySeconds: true}
	if x.fault.Kind == NoUsage { // no length, no fee: all that was set aside is taken
		billed.Seconds = float64(req.longest())
	}
	if fee, _ := zg.Fee(x.kind, x.price, billed); x.fault.Kind == FeeOther {
		x.book(billed, fee.Add(zg.NeuronOf(3)))
	} else {
		x.bill(billed)
	}
	if x.fault.Kind != NoUsage {
		told, fee := tenths, x.record.Fee
		if x.fault.Kind == WrongUsage {
			told, fee = 2*told, fee.Mul(2)
		}
		x.w.Header().Set("X-0G-Fee", fee.String())
		if x.fault.Kind == FeeTold {
			x.w.Header().Del("X-0G-Fee")
			for line := range strings.Lines(x.fault.Body) {
				x.w.Header().Add("X-0G-Fee", strings.TrimSpace(line))
			}
		}
		x.w.Header().Set("X-0G-Audio-Duration-Seconds", fmt.Sprintf("%d.%d", told/10, told%10))
	}
	x.deliver(kind, x.coded(hum(req.Input, int(tenths))))
	return nil
}

// hum is a WAV file of so many tenths of a second, one tone each, that depends on nothing but the text.
func hum(text string, tenths int) []byte {
	const perTenth = samplesPerSec / 10
	size := uint32(tenths * perTenth)
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), 36+size)
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, 1) // one channel
	b = le.AppendUint32(b, samplesPerSec)
	b = le.AppendUint32(b, samplesPerSec) // bytes per second
	b = le.AppendUint16(b, 1)             // bytes per sample
	b = le.AppendUint16(b, 8)             // bits per sample
	b = le.AppendUint32(append(b, "data"...), size)
	sum := sha256.Sum256([]byte(text))
	for tenth := range tenths {
		period := 10 + int(sum[tenth%len(sum)])%40 // samples
		for i := range perTenth {
			b = append(b, byte(128+i%period-period/2))
		}
	}
	return b
}
