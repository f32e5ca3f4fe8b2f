package billing

import (
	"bytes"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// templateTokens is what a provider may add to a prompt of its own: chat template, tool preamble.
	templateTokens = 1024
	// defaultOutput is assumed where neither the caller nor the catalogue limits the answer.
	defaultOutput = 32768
	// longestContext is assumed where it matters how much a model can read and nobody says.
	longestContext = 1 << 20
	// audioBytesPerSecond is 4 kbit/s, below the slowest speech codec in use.
	audioBytesPerSecond = 500
	longestAudio        = uint64(24 * time.Hour / time.Second)
	// unitsPerSecond bounds what is billed for a second of speech: seconds or tokens of it as they come in, twice the
	// words or tokens as text comes out. Models that bill tokens hear ten to sixteen a second; the fastest speakers reach
	// about six words.
	unitsPerSecond = 16
	// promptTokens is the longest text that transcription models take beside the audio, and silentTokens what is billed
	// for speech without a word.
	promptTokens = 256
	silentTokens = 200
	// reservedSeconds is the length of generated audio that providers set aside where the caller does not limit it, and
	// the most that they set aside.
	reservedSeconds = 120
)

// BoundInput is what is known of a request before it is sent. Zero means not known or not limited.
type BoundInput struct {
	BodyBytes      int64  // of the request as it is sent
	Media          bool   // a chat with images, audio, video or files in it, see HasMedia
	MaxTokens      uint64 // the caller's limit on the answer
	ModelMaxTokens uint64 // the model's
	ContextLength  uint64 // input and output together
	N              uint64 // answers asked for; 0 counts as one
	Images         uint64 // images asked for; 0 counts as one
	AudioBytes     int64  // of the file to transcribe; not known: BodyBytes
	Seconds        uint64 // of video asked for
	MaxDuration    uint64 // the caller's limit on generated audio, in seconds
}

// Bound is the most a request can cost, by everything known before it is sent:
//
//   - Text in: no tokenizer makes more tokens than the text has bytes; the provider's template comes on top. A chat is also
//     limited by what the model can read, and by that alone where it holds pictures or sound, whose tokens have nothing to
//     do with their bytes.
//   - Text out: the smallest of the limits that are set, for each of the answers asked for.
//   - Images: the output price for each.
//   - Speech as text: the length that so many bytes can have at 4 kbit/s, between a second and a day. It is not known ahead
//     whether seconds or tokens are billed, so both prices are taken for as many of either as there can be in that time.
//   - Generated speech: a second of it for each byte of text, and no less than providers set aside; no more than the caller
//     allows.
//   - Video: the dearest that the length asked for can become by the unit of its price, for each of the videos.
//
// Tiers and cache writes are covered by taking the highest price they can lead to. Prices that no sum of money covers
// lead to a bound that the meter refuses.
func Bound(t zg.ServiceType, p zg.Price, b BoundInput) zg.Neuron {
	in, out := p.Ceiling()
	text := uint64(max(b.BodyBytes, 0)) + templateTokens
	switch t {
	case zg.TextToImage, zg.ImageEditing:
		return out.Mul(max(b.Images, 1))
	case zg.SpeechToText:
		seconds := longestAudio
		if size := max(b.AudioBytes, 0); size > 0 || b.BodyBytes > 0 {
			if size == 0 {
				size = b.BodyBytes
			}
			seconds = min(uint64(size)/audioBytesPerSecond+1, longestAudio)
		}
		units := seconds * unitsPerSecond
		return in.Mul(units + promptTokens).Add(out.Mul(max(units, silentTokens)))
	case zg.AudioGeneration:
		seconds := max(text, reservedSeconds)
		if b.MaxDuration > 0 {
			seconds = min(seconds, b.MaxDuration)
		}
		return out.Mul(seconds)
	case zg.VideoGeneration:
		bound, ok := zg.VideoBound(p, b.Seconds)
		if !ok {
			return zg.MaxNeuron // no amount is known to be enough
		}
		return bound.Mul(max(b.N, 1))
	case zg.Embedding:
		return in.Mul(text) // each of its texts may be as long as the context
	case zg.Chatbot, zg.Decisions:
	}
	// Chat, and what is not known yet: most of it is billed like chat.
	return in.Mul(chatInput(text, b)).Add(out.Mul(chatOutput(b)).Mul(max(b.N, 1)))
}

func chatInput(text uint64, b BoundInput) uint64 {
	switch {
	case b.Media && b.ContextLength > 0:
		return b.ContextLength
	case b.Media:
		return max(text, longestContext)
	case b.ContextLength > 0:
		return min(text, b.ContextLength)
	}
	return text
}

func chatOutput(b BoundInput) uint64 {
	output := uint64(0)
	for _, limit := range []uint64{b.MaxTokens, b.ModelMaxTokens, b.ContextLength} {
		if limit > 0 && (output == 0 || limit < output) {
			output = limit
		}
	}
	if output == 0 {
		return defaultOutput
	}
	return output
}

// The names that OpenAI's and Anthropic's clients give to parts of a message that are no text: keys that hold such a
// part, and values of "type".
var (
	mediaKeys  = [][]byte{[]byte(`"image_url"`), []byte(`"input_audio"`), []byte(`"video_url"`), []byte(`"audio_url"`)}
	mediaTypes = [][]byte{
		[]byte(`"image"`), []byte(`"input_image"`), []byte(`"video"`), []byte(`"audio"`), []byte(`"file"`), []byte(`"input_file"`), []byte(`"document"`),
	}
	typeKey = []byte(`"type"`)
)

// HasMedia reports whether a chat request may hold images, audio, video or files. Quotes inside a string are escaped,
// so text that only speaks of such parts is not taken for one.
func HasMedia(body []byte) bool {
	for _, key := range mediaKeys {
		if bytes.Contains(body, key) {
			return true
		}
	}
	for {
		i := bytes.Index(body, typeKey)
		if i < 0 {
			return false
		}
		body = bytes.TrimLeft(body[i+len(typeKey):], " \t\r\n")
		value, ok := bytes.CutPrefix(body, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimLeft(value, " \t\r\n")
		for _, name := range mediaTypes {
			if bytes.HasPrefix(value, name) {
				return true
			}
		}
	}
}
