package sse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

var errDocument = errors.New("the answer is not one JSON document")

// RewriteURLs gives the links of an images answer another form: the strings data[].url of a whole document, and
// data.data[].url of an async job. All other bytes stay; the document itself is returned where nothing changes. It is
// an error if the document is not JSON.
func RewriteURLs(doc []byte, to func(string) string) ([]byte, error) {
	if !json.Valid(doc) {
		return nil, errDocument
	}
	w := urlWalk{dec: json.NewDecoder(bytes.NewReader(doc))}
	w.dec.UseNumber()
	var out []byte
	from := 0
	for {
		before := int(w.dec.InputOffset())
		link, more, err := w.next()
		if err != nil {
			return nil, fmt.Errorf("read the links of an answer: %w", err)
		}
		if link != nil {
			if text := to(*link); text != *link {
				start := before + bytes.IndexByte(doc[before:], '"')
				out, from = append(append(out, doc[from:start]...), quoted(text)...), int(w.dec.InputOffset())
			}
		}
		if !more {
			break
		}
	}
	if from == 0 {
		return doc, nil
	}
	return append(out, doc[from:]...), nil
}

// level is an object or array that is under way.
type level struct {
	array bool
	keyed bool // of an object: its key was read
	key   string
}

// urlWalk goes through a document that is known to be well formed.
type urlWalk struct {
	dec  *json.Decoder
	open []level
}

// next reads one token; link is set where it is a link. There is more until the document is closed.
func (w *urlWalk) next() (link *string, more bool, err error) {
	token, err := w.dec.Token()
	if err != nil {
		return nil, false, err
	}
	if d, ok := token.(json.Delim); ok && (d == '}' || d == ']') {
		w.open = w.open[:len(w.open)-1]
		w.value()
		return nil, len(w.open) > 0, nil
	}
	if len(w.open) > 0 {
		if l := &w.open[len(w.open)-1]; !l.array && !l.keyed {
			l.key, _ = token.(string)
			l.keyed = true
			return nil, true, nil
		}
	}
	switch v := token.(type) {
	case json.Delim:
		w.open = append(w.open, level{array: v == '['})
		return nil, true, nil
	case string:
		if w.atLink() {
			link = &v
		}
	}
	w.value()
	return link, len(w.open) > 0, nil
}

// value notes that a value has ended: in an object a key follows.
func (w *urlWalk) value() {
	if n := len(w.open); n > 0 {
		w.open[n-1].keyed = false
	}
}

// atLink reports that the value under way is a link of an image.
func (w *urlWalk) atLink() bool {
	path := w.open
	if len(path) == 4 && !path[0].array && path[0].key == "data" {
		path = path[1:] // an async job's result is an answer within its data
	}
	return len(path) == 3 && !path[0].array && path[0].key == "data" && path[1].array && !path[2].array && path[2].key == "url"
}

func quoted(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSpace(b.Bytes())
}
