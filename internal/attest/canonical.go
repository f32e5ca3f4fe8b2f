package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
)

func bigOf(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func digest(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

// Canonical is the form in which providers that decode and encode a request sign it: keys sorted at every level, no white
// space, <, >, & and the line separators escaped, numbers taken through 64-bit floats. A document in which a name appears
// twice has no such form.
func Canonical(body []byte) ([]byte, error) {
	if err := noDuplicates(json.NewDecoder(bytes.NewReader(body))); err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("decode the request: %w", err)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return out, nil
}

// noDuplicates walks a document's tokens.
func noDuplicates(dec *json.Decoder) error {
	type level struct {
		seen  map[string]bool // nil: an array
		value bool            // a name was read, its value is next
	}
	var stack []*level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decode the request: %w", err)
		}
		top := (*level)(nil)
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if name, ok := tok.(string); ok && top != nil && top.seen != nil && !top.value {
			if top.seen[name] {
				return fmt.Errorf("the name %.60q appears twice", name)
			}
			top.seen[name], top.value = true, true
			continue
		}
		if top != nil {
			top.value = false
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, &level{seen: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
	}
}
