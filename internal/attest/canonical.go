package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrCanonical means that a request has no canonical form: it is not one JSON object, holds numbers that no provider
// could read, or a name twice.
var ErrCanonical = errors.New("the request has no canonical form")

const (
	maxDepth         = 1000
	usageOptionName  = "stream_options"
	includeUsageName = "include_usage"
)

// Canonical is the form in which providers that decode a request and re-serialise it sign it: names sorted by their
// bytes at every level, no white space, numbers taken through 64-bit floats, and <, >, & and the two line separators
// escaped. It denotes the same value as the body, except for integers beyond 2^53.
func Canonical(body []byte) ([]byte, error) {
	doc, err := decode(context.Background(), body)
	if err != nil {
		return nil, err
	}
	return encode(doc)
}

// canonicalForms are the forms that may have been signed instead of the body: the canonical one and, for streams that
// say nothing about usage, the one with the option that providers add.
func canonicalForms(ctx context.Context, body []byte) [][]byte {
	doc, err := decode(ctx, body)
	if err != nil {
		return nil
	}
	var forms [][]byte
	add := func() {
		if form, err := encode(doc); err == nil {
			forms = append(forms, form)
		}
	}
	add()
	if _, set := doc[usageOptionName]; !set && doc["stream"] == true {
		doc[usageOptionName] = map[string]any{includeUsageName: true}
		add()
	}
	return forms
}

func encode(doc map[string]any) ([]byte, error) {
	form, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCanonical, err)
	}
	return form, nil
}

// decode reads a JSON object as maps, lists, strings, floats and booleans. encoding/json would silently keep the last
// of two values of one name, and another reader the first; so it is done token by token and a repeated name is an
// error.
func decode(ctx context.Context, body []byte) (map[string]any, error) {
	if !json.Valid(body) { // also sees to it that nothing follows the object
		return nil, fmt.Errorf("%w: it is not JSON", ErrCanonical)
	}
	d := decoder{Decoder: json.NewDecoder(bytes.NewReader(body)), ctx: ctx}
	v, err := d.value(0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCanonical, err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: it is not an object", ErrCanonical)
	}
	return doc, nil
}

type decoder struct {
	*json.Decoder
	ctx context.Context
	breath
}

// breath lets long work end once nobody wants it any more: a process that is told to stop does not finish a document
// first.
type breath struct{ taken int }

// breathe is called at every value. Asking the context each time would be most of the work.
func (b *breath) breathe(ctx context.Context) error {
	if b.taken++; b.taken%1024 != 0 {
		return nil
	}
	return ctx.Err()
}

func (d *decoder) value(depth int) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if err := d.breathe(d.ctx); err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	switch tok {
	case json.Delim('{'):
		return d.object(depth)
	case json.Delim('['):
		return d.list(depth)
	}
	return tok, nil
}

func (d *decoder) object(depth int) (any, error) {
	m := make(map[string]any)
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		name, ok := tok.(string)
		if !ok {
			return nil, errors.New("a name is not a string")
		}
		if _, twice := m[name]; twice {
			return nil, errors.New("a name appears twice in an object")
		}
		if m[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // the closing brace
	return m, err
}

func (d *decoder) list(depth int) (any, error) {
	l := []any{}
	for d.More() {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
	_, err := d.Token() // the closing bracket
	return l, err
}
