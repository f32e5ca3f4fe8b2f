package sse

import (
	"bytes"
	"encoding/json"
	"hash"
	"slices"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxValue = 16 << 10 // of a captured top-level value
	maxKey   = 64
	// Of what is told of a job.
	maxJobID  = 256
	maxStatus = 32
)

// document reads one JSON document as it passes, keeping only the few small values that matter: a hand of bytes,
// however long the document is. It is no validator; a document that is not well formed simply never completes.
type document struct {
	typ      zg.ServiceType
	depth    int
	inString bool
	escaped  bool
	started  bool
	ended    bool
	broken   bool
	isKey    bool   // the next string at this depth is a key that matters, see named
	key      []byte // of the string under way, where it is a key
	top      string // the top-level key whose value is under way
	nested   bool   // data is an object, as in an async job: its own data is the list
	middle   string // the key inside such an object
	inner    string // the key inside an element of the list
	spoken   bool   // the value under way belongs to a key of a chat's output
	arrays   uint64 // bit d: depth d is an array
	captured map[string][]byte
	capture  string // top-level key whose value is being kept
	elements uint64 // of the list
	hashing  bool   // the string under way is an image
	image    hash.Hash
	quad     []byte // base64 not yet decoded
	plain    []byte // room for what it decodes to
	bad      bool   // an image that is not base64, or more of them than anybody signs: none counts
	padded   bool   // the image under way has had its padding: nothing may follow
	extras   bool   // something stands beside the pictures that a client may show, see beside
	text     bool   // the string that was read last may be such a thing
	images   [][32]byte
	counting bool // the string under way is output
	said     stringWords
	one      [1]byte
}

var captureKeys = map[string]bool{"usage": true, "id": true, "jobId": true, "status": true, "duration": true, "error": true}

func newDocument(t zg.ServiceType) *document {
	return &document{typ: t, captured: map[string][]byte{}}
}

func (d *document) write(p []byte) {
	for len(p) > 0 {
		if n := d.skip(p); n > 0 {
			d.beside(p[:n])
			p = p[n:]
			continue
		}
		c := p[0]
		p = p[1:]
		if d.capture != "" {
			if v := d.captured[d.capture]; len(v) < maxValue {
				d.captured[d.capture] = append(v, c)
			}
		}
		if d.inString {
			d.inside(c)
			continue
		}
		switch c {
		case '"':
			d.inString = true
			if d.isKey {
				d.key = d.key[:0]
			} else if d.inList() && d.depth == d.listDepth()+1 && d.inner == "b64_json" && !d.bad {
				d.beginImage()
			} else if d.isOutput() {
				d.counting = true
				d.said.next()
			}
		case '{', '[':
			d.valueEnds()
			d.open(c)
		case '}', ']':
			d.valueEnds()
			d.close()
		case ':':
			d.text = false
			if d.isKey {
				d.isKey = false
				d.colon()
			}
		case ',':
			d.valueEnds()
			d.comma()
		}
	}
}

// skip passes over the inside of a string that nobody wants to read, or takes it as a piece of an image, and over
// numbers, and returns how far that was. Most of a large answer is such strings, or vectors.
func (d *document) skip(p []byte) int {
	if d.capture != "" || (d.inString && (d.escaped || d.isKey)) {
		return 0
	}
	if !d.inString {
		array := d.inArray()
		for i, c := range p {
			switch c {
			case '"', '{', '}', '[', ']', ':':
				return i
			case ',':
				if !array { // between elements it says nothing
					return i
				}
			}
		}
		return len(p)
	}
	if d.hashing {
		p = p[:min(len(p), pieceOfImage-len(d.quad))]
	}
	n := plainLength(p)
	if d.hashing {
		if d.quad = append(d.quad, p[:n]...); len(d.quad) == pieceOfImage {
			d.decode()
		}
	}
	if d.counting {
		d.said.write(p[:n])
	}
	return n
}

// plainLength is how far the inside of a string goes on without a quote or a backslash. Looking for the end of the
// string each time would read a string of escapes once for each of them; so it looks a little ahead, and further the
// further it got.
func plainLength(p []byte) int {
	for at, ahead := 0, 32; at < len(p); at, ahead = at+ahead, 2*ahead {
		piece := p[at:min(at+ahead, len(p))]
		quote := bytes.IndexByte(piece, '"')
		if quote >= 0 {
			piece = piece[:quote]
		}
		if escape := bytes.IndexByte(piece, '\\'); escape >= 0 {
			return at + escape
		}
		if quote >= 0 {
			return at + quote
		}
	}
	return len(p)
}

// inArray reports whether what is under way is an element of an array.
func (d *document) inArray() bool {
	return !d.broken && d.depth >= 0 && d.depth < 64 && d.arrays&(1<<d.depth) != 0
}

// listDepth is how deep the array of an image answer is, and inList whether it, or something else in its place, is
// under way.
func (d *document) listDepth() int {
	if d.nested {
		return 3
	}
	return 2
}

func (d *document) inList() bool { return d.top == "data" && (!d.nested || d.middle == "data") }

// named reports whether the keys of an object at this depth matter.
func (d *document) named() bool {
	return d.depth == 1 || d.chat() || (d.inList() && d.depth == d.listDepth()+1) || (d.top == "data" && d.nested && d.depth == 2)
}

// chat reports whether what is under way holds the output of a chat, so that all its keys matter.
func (d *document) chat() bool {
	return d.typ == zg.Chatbot && (d.top == "choices" || d.top == "content")
}

// isOutput reports whether a string that begins now is part of what is billed by words where there is no usage.
func (d *document) isOutput() bool {
	if d.typ == zg.SpeechToText {
		return d.depth == 1 && d.top == "text"
	}
	return d.chat() && d.spoken
}

func (d *document) inside(c byte) {
	switch {
	case d.escaped:
		d.escaped = false
	case c == '\\':
		d.escaped = true
	case c == '"':
		d.inString, d.counting = false, false
		if d.hashing {
			d.endImage()
		}
		return
	}
	d.one[0] = c
	d.beside(d.one[:])
	if d.isKey && len(d.key) < maxKey {
		d.key = append(d.key, c)
	}
	if d.counting {
		d.one[0] = c
		d.said.write(d.one[:])
	}
	if d.hashing {
		if d.quad = append(d.quad, c); len(d.quad) == pieceOfImage {
			d.decode()
		}
	}
}

func (d *document) open(c byte) {
	d.started = true
	if d.depth == 1 && d.top == "data" {
		d.nested, d.middle = c == '{', ""
	}
	if d.inList() && d.depth == d.listDepth() && d.inArray() {
		d.elements++
		d.inner = ""
	}
	d.depth++
	if d.depth > 63 {
		d.broken = true
	}
	if !d.broken {
		d.arrays &^= 1 << d.depth
		if c == '[' {
			d.arrays |= 1 << d.depth
		}
	}
	d.isKey = c == '{' && d.named()
}

func (d *document) close() {
	d.depth--
	d.isKey = false
	switch {
	case d.depth == 0:
		d.ended = true
		d.trim()
	case d.depth < 0:
		d.broken = true
	}
}

func (d *document) colon() {
	if bytes.IndexByte(d.key, '\\') >= 0 {
		d.key = unescape(d.key)
	}
	if d.depth == 2 && d.nested && d.top == "data" {
		d.middle = string(d.key)
		return
	}
	if d.depth > 1 {
		d.inner = string(d.key)
		d.spoken = chatKey([]byte(`"` + d.inner + `"`))
		return
	}
	d.top = string(d.key)
	if captureKeys[d.top] {
		d.capture = d.top
		d.captured[d.top] = d.captured[d.top][:0]
	}
}

// unescape reads a key as whoever uses the answer does: "d\u0061ta" is one more way to write data, and what stands
// there must not go unnoticed. A key that is no JSON, or too long to have been kept whole, is none of those that
// matter.
func unescape(key []byte) []byte {
	var s string
	if json.Unmarshal(slices.Concat([]byte{'"'}, key, []byte{'"'}), &s) != nil {
		return key
	}
	return append(key[:0], s...)
}

func (d *document) comma() {
	if d.inArray() || !d.named() {
		return
	}
	if d.isKey = true; d.depth == 1 {
		d.trim()
		return
	}
	d.inner = ""
}

// trim takes the comma or bracket that ended a captured value off it again.
func (d *document) trim() {
	if v := d.captured[d.capture]; d.capture != "" && len(v) > 0 {
		d.captured[d.capture] = v[:len(v)-1]
	}
	d.capture = ""
}

func (d *document) finish(s *Summary) {
	s.Partial = d.started && !d.ended
	s.Complete = d.started && d.ended && !d.broken && d.depth == 0 && !d.inString
	var id string
	if json.Unmarshal(d.captured["id"], &id) == nil && zg.ValidChatID(id) {
		s.ChatID = id
	}
	s.JobID, s.Status = d.job(), plainWord(d.captured["status"], maxStatus, "_-")
	failure := bytes.TrimSpace(d.captured["error"])
	s.Error = len(failure) > 0 && d.capture != "error" && string(failure) != "null" && s.Status == "" // that of a job is its result
	var use usageReader
	use.merge(trimSpace(d.captured["usage"]))
	s.Usage = use.usage
	switch d.typ {
	case zg.TextToImage, zg.ImageEditing:
		s.Usage.Images = d.elements
		if !d.bad && uint64(len(d.images)) == d.elements {
			s.Images = d.images
		}
		s.Extras = d.extras && len(s.Images) > 0
	case zg.Chatbot, zg.Embedding, zg.Decisions, zg.AudioGeneration, zg.VideoGeneration:
	case zg.SpeechToText:
		if seconds := zg.ReadFigure(d.captured["duration"]).Float(); !s.Usage.Seen && seconds > 0 {
			s.Usage.Seen, s.Usage.BySeconds, s.Usage.Seconds = true, true, seconds
		}
	}
	if u := &s.Usage; !u.Seen && s.Complete && (d.typ == zg.Chatbot || d.typ == zg.SpeechToText) {
		u.Words, u.WordsCounted = d.said.words, true
	}
}

// job is the id to ask for the state of a job by: what the answer calls jobId, or the id of a video.
func (d *document) job() string {
	id := plainWord(d.captured["jobId"], maxJobID, "_-.:~=")
	if id == "" && d.typ == zg.VideoGeneration {
		id = plainWord(d.captured["id"], maxJobID, "_-.:~=")
	}
	if strings.Trim(id, ".") == "" {
		return "" // of dots alone, which mean something in a path
	}
	return id
}

// plainWord reads a string of ASCII letters, digits and the marks given; empty where the value is anything else.
func plainWord(raw []byte, most int, marks string) string {
	var s string
	if json.Unmarshal(raw, &s) != nil || len(s) > most {
		return ""
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune(marks, c) {
			return ""
		}
	}
	return s
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	return b
}
