// Package sse reads an answer while it passes: it hashes the bytes, reads usage and id, and knows whether the answer
// reached its end. It never changes a byte, but for two things that are used apart from that: Filter takes out the one
// usage chunk that the proxy itself asked for, and RewriteURLs points to another place for images.
//
// It does no I/O, logs nothing and starts nothing. Its memory is bounded whatever a provider sends.
package sse

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Kind says how to read a body.
type Kind uint8

// The kinds of bodies.
const (
	Opaque Kind = iota // bytes that are only hashed
	Events             // server-sent events of a chat
	JSON               // one document
	Lines              // one JSON document a line, as streamed transcriptions are
	Text               // plain text, SRT or WebVTT
)

// KindOf reads the kind from the content type.
func KindOf(t zg.ServiceType, contentType string) Kind {
	base, _, _ := strings.Cut(contentType, ";")
	switch base = strings.ToLower(strings.TrimSpace(base)); {
	case base == "text/event-stream" && t == zg.SpeechToText:
		return Lines
	case base == "text/event-stream":
		return Events
	case base == "application/json" || strings.HasSuffix(base, "+json"):
		return JSON
	case strings.HasSuffix(base, "ndjson") || strings.HasSuffix(base, "jsonl"):
		return Lines
	case strings.HasPrefix(base, "text/") || base == "application/x-subrip":
		return Text
	}
	return Opaque
}

// maxLine bounds how much of a line is kept for reading. A longer line is hashed and passed like any other, but what it
// says is lost.
const maxLine = 256 << 10

// Summary is what was learned of an answer.
type Summary struct {
	Bytes    int64
	SHA256   [32]byte
	Usage    zg.Usage
	ChatID   string // the body's own id, or empty
	JobID    string // of a document: the id of the job that it began or tells of, a video's own id included; or empty
	Status   string // of a document: its status, where that is a short word, as of a job or a video
	Complete bool   // its end was seen: [DONE], message_stop, or the end of the document
	Partial  bool   // a JSON document was begun and does not end, as where its provider fails in the middle of it
	Error    bool   // an error stood where an event belongs, or in a document that tells of no job
	Images   [][32]byte
	Extras   bool // of images: text stands beside them that a client may show, or something behind the document
}

// Tap observes one answer.
type Tap struct {
	kind Kind
	typ  zg.ServiceType
	hash hash.Hash
	sum  Summary
	line []byte
	over bool // the line under way is too long to read
	lost bool // one before it was
	doc  *document
	text textReader
	use  usageReader
	said stringWords // of lines: the output, in case there is no usage
}

// NewTap builds a Tap for one answer.
func NewTap(kind Kind, t zg.ServiceType) *Tap {
	tap := &Tap{kind: kind, typ: t, hash: sha256.New()}
	if kind == JSON {
		tap.doc = newDocument(t)
	}
	return tap
}

// Write observes a piece of the answer. The result does not depend on how the answer is cut into pieces.
func (t *Tap) Write(p []byte) {
	t.hash.Write(p)
	t.sum.Bytes += int64(len(p))
	switch t.kind {
	case Opaque:
	case JSON:
		t.doc.write(p)
	case Text:
		t.text.write(p)
	case Events, Lines:
		for len(p) > 0 {
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				t.keep(p)
				return
			}
			if len(t.line) == 0 && !t.over && i <= maxLine {
				t.read(p[:i])
			} else {
				t.keep(p[:i])
				if !t.over {
					t.read(t.line)
				}
				t.lost = t.lost || t.over
				t.line, t.over = t.line[:0], false
			}
			p = p[i+1:]
		}
	}
}

// Kept is how many bytes are allocated for what of the answer is not read yet.
func (t *Tap) Kept() int { return cap(t.line) }

func (t *Tap) keep(p []byte) {
	if t.over = t.over || len(t.line)+len(p) > maxLine; !t.over {
		t.line = append(t.line, p...)
	}
}

var (
	dataPrefix = []byte("data:")
	usageKey   = []byte(`"usage"`)
	idKey      = []byte(`"id"`)
	errorKey   = []byte(`"error"`)
	stopType   = []byte(`"message_stop"`)
	doneType   = []byte(`.done"`)
	errorEvent = []byte("error")
)

// read looks at one whole line without its end.
func (t *Tap) read(line []byte) {
	line = bytes.TrimRight(line, "\r")
	data, isData := bytes.CutPrefix(line, dataPrefix)
	if !isData {
		t.sum.Error = t.sum.Error || errorName(line)
		if len(line) == 0 || line[0] != '{' {
			return
		}
		data = line
	}
	data = bytes.TrimSpace(data)
	if string(data) == "[DONE]" {
		t.sum.Complete = true
		return
	}
	if len(data) == 0 || data[0] != '{' {
		return
	}
	t.count(data)
	if !t.worthReading(data) {
		return
	}
	var ev struct {
		ID      string          `json:"id"`
		Type    string          `json:"type"`
		Usage   json.RawMessage `json:"usage"`
		Error   json.RawMessage `json:"error"`
		Message struct {
			ID    string          `json:"id"`
			Usage json.RawMessage `json:"usage"`
		} `json:"message"`
	}
	if json.Unmarshal(data, &ev) != nil {
		return
	}
	for _, id := range []string{ev.ID, ev.Message.ID} {
		if t.sum.ChatID == "" && zg.ValidChatID(id) {
			t.sum.ChatID = id
		}
	}
	if len(ev.Error) > 0 && string(ev.Error) != "null" {
		t.sum.Error = true
	}
	switch ev.Type {
	case "message_stop", "transcript.text.done":
		t.sum.Complete = true
	case "error":
		t.sum.Error = true
	}
	t.use.merge(ev.Message.Usage)
	t.use.merge(ev.Usage)
}

// count counts the words of an event while no usage was seen: without one, they are what is billed.
func (t *Tap) count(data []byte) {
	switch {
	case t.use.usage.Seen:
	case t.kind == Events && t.typ == zg.Chatbot:
		t.said.countValues(data, chatKey)
	case t.kind == Lines && t.typ == zg.SpeechToText:
		if bytes.Contains(data[:min(len(data), 80)], doneType) {
			var whole stringWords
			if whole.countValues(data, textKey) {
				t.said = whole // the transcript again, in one piece
			}
			return
		}
		t.said.countValues(data, deltaKey)
	}
}

// worthReading picks the few events that say more than the next words, by a glance: most never need to be decoded.
func (t *Tap) worthReading(data []byte) bool {
	if (t.sum.ChatID == "" && bytes.Contains(data, idKey)) || bytes.Contains(data, usageKey) {
		return true
	}
	// Ends say so in front. An error may stand behind all that every event begins with.
	front := data[:min(len(data), 80)]
	return bytes.Contains(data, errorKey) || bytes.Contains(front, stopType) || (t.kind == Lines && bytes.Contains(front, doneType))
}

// Summary is what was learned. Call it once, after the last Write.
func (t *Tap) Summary() Summary {
	if len(t.line) > 0 && !t.over {
		t.read(t.line) // a last line without its end
	}
	t.sum.Usage = t.use.usage
	switch t.kind {
	case Opaque:
	case Events, Lines:
		if u := &t.sum.Usage; !u.Seen && (t.typ == zg.Chatbot) == (t.kind == Events) {
			// Of a stream that was cut before anything was understood nothing is known, not even that it said nothing.
			u.Words, u.WordsCounted = t.said.words, !t.lost && !t.over && (t.sum.Complete || t.said.words > 0)
		}
	case JSON:
		t.doc.finish(&t.sum)
	case Text:
		t.text.finish(&t.sum)
	}
	t.hash.Sum(t.sum.SHA256[:0])
	return t.sum
}
