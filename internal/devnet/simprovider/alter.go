package simprovider

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Alteration is what becomes of an answer and of its signature where somebody tampers with either. What is nil leaves
// things as they are. All of it is of the Altered fault.
type Alteration struct {
	// Pieces is what is delivered instead of the answer's pieces: the events of a stream, the quarters of another body.
	// The signature stays over what the provider made.
	Pieces func(pieces [][]byte) [][]byte
	// ResKey is announced instead of the chat's key; an empty one not at all.
	ResKey func(key string) string
	// Form is what of a whole body is signed. Model servers that re-serialise an answer after they signed it need it.
	Form func(body []byte) []byte
	// Text is signed instead of the usual one. Both halves are digests in hexadecimal, or several with commas.
	Text func(request, answer string) string
	// Key signs.
	Key *ecdsa.PrivateKey
	// Reply is said instead of the provider's own words when somebody asks for the signature.
	Reply func(SignatureReply) SignatureReply
	// Serve answers the n-th time somebody asks for the signature, from 1 on, and reports whether it did; else the
	// provider does.
	Serve func(w http.ResponseWriter, r *http.Request, n int) bool
}

// RawAnswer is an answer that was made elsewhere. It is signed as the provider signs its own, and billed at nothing.
type RawAnswer struct {
	ContentType string
	Pieces      [][]byte // each is flushed; a single one comes with its length
}

// isFetch reports whether something is asked for that was made before.
func isFetch(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, p := range []string{"/v1/proxy/images/", "/v1/proxy/videos/", "/v1/async/jobs/"} {
		if strings.HasPrefix(r.URL.Path, p) {
			return true
		}
	}
	return false
}

// serve answers with it and signs nothing.
func (a *RawAnswer) serve(w http.ResponseWriter) {
	w.Header()["Content-Type"] = nil // without one, the server would guess
	if a.ContentType != "" {
		w.Header().Set("Content-Type", a.ContentType)
	}
	_, _ = w.Write(bytes.Join(a.Pieces, nil)) // a client that has left needs none
}

// altered is what the fault makes of this answer.
func (x *exchange) altered() Alteration {
	if x.fault.Kind == Altered && x.fault.Alter != nil {
		return *x.fault.Alter
	}
	return Alteration{}
}

// announced is the key that the answer carries in its header, or none.
func (x *exchange) announced() string {
	switch {
	case x.mute || !x.p.signs() || !x.p.announcesKey() || x.fault.Kind == SignatureNoKey:
		return ""
	case x.fault.Kind == AnswerReplayed && x.p.lastAnswer.Load() != nil:
		return x.p.lastAnswer.Load().key
	}
	if f := x.altered().ResKey; f != nil {
		return f(x.key)
	}
	return x.key
}

// keptAnswer is an answer that may be given again.
type keptAnswer struct {
	key    string
	pieces [][]byte
}

// collects reports whether the answer waits for its end, because something else may be delivered then.
func (x *exchange) collects() bool {
	switch x.fault.Kind {
	case Altered:
		return x.altered().Pieces != nil
	case AnswerKept, AnswerReplayed:
		return true
	default:
		return false
	}
}

// release delivers what was collected, or what became of it.
func (x *exchange) release() {
	pieces := x.out.pieces
	x.out.collect, x.out.pieces = false, nil
	switch x.fault.Kind {
	case AnswerKept:
		x.p.lastAnswer.Store(&keptAnswer{x.key, pieces})
	case AnswerReplayed:
		if last := x.p.lastAnswer.Load(); last != nil {
			pieces = last.pieces
		}
	default:
		pieces = x.altered().Pieces(pieces)
	}
	for _, piece := range pieces {
		x.out.send(piece)
		x.out.flush()
	}
}

// raw gives an answer that was made elsewhere. The digests of images are over them as decoded, where they can be.
func (x *exchange) raw(requestDigest string) {
	answer := bytes.Join(x.fault.Raw.Pieces, nil)
	signed := digest(answer)
	if x.kind == zg.TextToImage || x.kind == zg.ImageEditing {
		if digests := imageDigests(answer); digests != nil {
			signed = strings.Join(digests, ",")
		}
	}
	if !x.mute {
		x.attest(requestDigest, signed)
	}
	x.bill(zg.Usage{})
	length := -1
	if len(x.fault.Raw.Pieces) == 1 {
		length = len(answer)
	}
	x.answerHeaders(x.fault.Raw.ContentType, length)
	for _, piece := range x.fault.Raw.Pieces {
		x.out.write(piece)
		x.out.flush()
	}
}

// imageDigests are those of all images in an answer, or nothing when one of them is no image.
func imageDigests(answer []byte) []string {
	var reply imageReply
	if json.Unmarshal(answer, &reply) != nil {
		return nil
	}
	var digests []string
	for _, d := range reply.Data {
		picture, err := base64.StdEncoding.DecodeString(d.B64)
		if err != nil || d.B64 == "" {
			return nil
		}
		digests = append(digests, digest(picture))
	}
	return digests
}

// index is one that may count from the end.
func index(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n-1)
}

// Flip changes one letter or digit of a piece: the first at or behind a position, both of which count from the end
// where they are negative. It becomes another letter, so that JSON stays JSON and base64 stays base64.
func Flip(piece, position int) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte {
		p := pieces[index(piece, len(pieces))]
		for i := range p {
			at := (index(position, len(p)) + i) % len(p)
			if c := p[at]; c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
				if p[at] = 'A'; c == 'A' {
					p[at] = 'B'
				}
				break
			}
		}
		return pieces
	}
}

// Drop leaves one piece out.
func Drop(piece int) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte {
		at := index(piece, len(pieces))
		return slices.Delete(pieces, at, at+1)
	}
}

// Swap exchanges two pieces.
func Swap(a, b int) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte {
		a, b := index(a, len(pieces)), index(b, len(pieces))
		pieces[a], pieces[b] = pieces[b], pieces[a]
		return pieces
	}
}

// Repeat delivers one piece twice.
func Repeat(piece int) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte {
		at := index(piece, len(pieces))
		return slices.Insert(pieces, at, pieces[at])
	}
}

// Insert puts bytes in front of a piece.
func Insert(piece int, b string) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte { return slices.Insert(pieces, index(piece, len(pieces)), []byte(b)) }
}

// Append puts bytes behind everything.
func Append(b string) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte { return append(pieces, []byte(b)) }
}

// Cut ends the answer in front of a piece, with some bytes behind it to make it look whole.
func Cut(piece int, last string) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte { return append(pieces[:index(piece, len(pieces))], []byte(last)) }
}

// Whole changes the answer as one piece.
func Whole(change func([]byte) []byte) func([][]byte) [][]byte {
	return func(pieces [][]byte) [][]byte { return [][]byte{change(bytes.Join(pieces, nil))} }
}

// Signature changes the 65 bytes of a signature: r, s and v.
func Signature(change func(sig []byte) []byte) func(SignatureReply) SignatureReply {
	return func(r SignatureReply) SignatureReply {
		sig, err := hex.DecodeString(strings.TrimPrefix(r.Signature, "0x"))
		if err != nil {
			panic("simprovider: " + err.Error()) // it is one of our own
		}
		r.Signature = "0x" + hex.EncodeToString(change(sig))
		return r
	}
}

// HighS makes the twin of a signature, which recovers to the same signer.
func HighS(sig []byte) []byte {
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64]))
	s.FillBytes(sig[32:64])
	sig[64] ^= 27 ^ 28
	return sig
}

// V sets the last byte of a signature.
func V(v byte) func([]byte) []byte {
	return func(sig []byte) []byte {
		sig[64] = v
		return sig
	}
}
