package billing

import (
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// templateTokens is what a provider may add to a prompt of its own: chat template, tool preamble.
	templateTokens = 1024
	// defaultOutput is assumed where neither the caller nor the catalogue limits the answer.
	defaultOutput = 32768
	// audioBytesPerSecond is 4 kbit/s, below the slowest speech codec in use.
	audioBytesPerSecond = 500
	longestAudio        = uint64(24 * time.Hour / time.Second)
	// unitsPerSecond bounds what is billed for a second of speech that comes back as text: twice the words, or tokens.
	// The fastest speakers reach about six words a second.
	unitsPerSecond = 16
)

// BoundInput is what is known of a request before it is sent. Zero means not known or not limited.
type BoundInput struct {
	BodyBytes      int64  // of the request as it is sent
	MaxTokens      uint64 // the caller's limit on the answer
	ModelMaxTokens uint64 // the model's
	ContextLength  uint64 // input and output together
	N              uint64 // answers asked for; 0 counts as one
	Images         uint64 // images asked for; 0 counts as one
	AudioBytes     int64  // of the file to transcribe; not known: BodyBytes
}

// Bound is the most a request can cost, by everything known before it is sent:
//
//   - Text in: no tokenizer makes more tokens than the text has bytes; the provider's template comes on top.
//   - Text out: the smallest of the limits that are set, for each of the answers asked for.
//   - Images: the output price for each.
//   - Speech: the length that so many bytes can have at 4 kbit/s, between a second and a day, at the input price, plus as
//     much text as can be spoken in that time at the output price.
//
// Tiers and cache writes are covered by taking the highest price they can lead to. Images that a chat names by URL are not
// in its bytes and may cost more than the bound; such a fee is booked as it is.
// MaxNeuron means that the price is absurd.
func Bound(t zg.ServiceType, p zg.Price, b BoundInput) zg.Neuron {
	in, out := p.Ceiling()
	input := uint64(max(b.BodyBytes, 0)) + templateTokens
	switch t {
	case zg.TextToImage, zg.ImageEditing:
		return out.Mul(max(b.Images, 1))
	case zg.SpeechToText:
		seconds := longestAudio
		if size := max(b.AudioBytes, 0); size > 0 || b.BodyBytes > 0 {
			if size == 0 {
				size = b.BodyBytes
			}
			seconds = min(max(uint64(size)/audioBytesPerSecond, 1), longestAudio)
		}
		return in.Mul(seconds).Add(out.Mul(seconds * unitsPerSecond))
	case zg.Embedding:
		return in.Mul(input)
	default: // chat, and what is not known yet: most of it is billed like chat
		output := uint64(0)
		for _, limit := range []uint64{b.MaxTokens, b.ModelMaxTokens, b.ContextLength} {
			if limit > 0 && (output == 0 || limit < output) {
				output = limit
			}
		}
		if output == 0 {
			output = defaultOutput
		}
		return in.Mul(input).Add(out.Mul(output).Mul(max(b.N, 1)))
	}
}
