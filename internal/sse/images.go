package sse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// errImages means that a document is not one of images alone, so that nothing can be told apart in it.
var errImages = errors.New("the answer is not a document of images")

// OnlyImages is an images answer without what nobody signed where each image is signed separately: of the document it
// keeps the pictures, and what holds no text (numbers, truth values, null). Removed reports that something went; else
// the document itself is returned. It is an error if the document is not one JSON object whose data is a list of
// objects with one picture each, or if it says a name twice: clients do not agree on which of the two counts.
func OnlyImages(doc []byte) (out []byte, removed bool, err error) {
	if !json.Valid(doc) {
		return nil, false, fmt.Errorf("%w: it is not JSON", errImages)
	}
	pictures := false
	out, err = keep(doc, func(name string, value []byte) ([]byte, error) {
		switch {
		case name == "data":
			pictures = true
			kept, err := keepList(value)
			removed = removed || !bytes.Equal(kept, value)
			return kept, err
		case silent(value, 0):
			return value, nil
		}
		removed = true
		return nil, nil // neither kept nor wrong
	})
	switch {
	case err != nil:
		return nil, false, err
	case !pictures:
		return nil, false, fmt.Errorf("%w: it has no data", errImages)
	case !removed:
		return doc, false, nil
	}
	return out, true, nil
}

func keepList(list []byte) ([]byte, error) {
	if list[0] != '[' {
		return nil, fmt.Errorf("%w: its data is no list", errImages)
	}
	out, err := []byte{'['}, error(nil)
	changed := false
	for value := range values(list) {
		picture := false
		kept, keepErr := keep(value, func(name string, v []byte) ([]byte, error) {
			if name == "b64_json" && v[0] == '"' {
				picture = true
				return v, nil
			}
			if silent(v, 0) {
				return v, nil
			}
			changed = true
			return nil, nil
		})
		if err = keepErr; err == nil && !picture {
			err = fmt.Errorf("%w: an element holds no picture", errImages)
		}
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, kept...)
	}
	if !changed {
		return list, nil
	}
	return append(out, ']'), nil
}

// keep writes an object again with those members of which something is kept.
func keep(object []byte, of func(name string, value []byte) ([]byte, error)) ([]byte, error) {
	if object = bytes.TrimSpace(object); object[0] != '{' {
		return nil, fmt.Errorf("%w: something is no object", errImages)
	}
	seen := map[string]bool{}
	out := []byte{'{'}
	for rawName, value := range members(object) {
		var name string
		if err := json.Unmarshal(rawName, &name); err != nil {
			return nil, fmt.Errorf("%w: %w", errImages, err)
		}
		if seen[name] {
			return nil, fmt.Errorf("%w: a name appears twice in an object", errImages)
		}
		seen[name] = true
		kept, err := of(name, value)
		if err != nil {
			return nil, err
		}
		if kept == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, rawName...), ':'), kept...)
	}
	return append(out, '}'), nil
}

// silent reports a value that holds no text: numbers, truth values, null, and a few levels of them.
func silent(v []byte, depth int) bool {
	if depth > 3 {
		return false
	}
	switch v[0] {
	case '"':
		return len(v) == 2
	case '{':
		for _, inner := range members(v) {
			if !silent(inner, depth+1) {
				return false
			}
		}
	case '[':
		for inner := range values(v) {
			if !silent(inner, depth+1) {
				return false
			}
		}
	}
	return true
}
