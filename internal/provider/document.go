package provider

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Documents of strangers are read as far as somebody looks at them: read whole, lists and objects take up to a hundred
// times what they are long. Both functions are for documents that are known to be well formed.

// elements are the first elements of a list; ok is false for what is none.
func elements(doc []byte, most int) (list []json.RawMessage, ok bool) {
	d := json.NewDecoder(bytes.NewReader(doc))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, false
	}
	list = []json.RawMessage{}
	for len(list) < most && d.More() {
		var one json.RawMessage
		if d.Decode(&one) != nil {
			return nil, false
		}
		list = append(list, one)
	}
	return list, true
}

// members are those members of an object that have one of these names, the last of each; ok is false for what is no
// object.
func members(doc []byte, names ...string) (found map[string]json.RawMessage, ok bool) {
	d := json.NewDecoder(bytes.NewReader(doc))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	found = make(map[string]json.RawMessage, len(names))
	var value json.RawMessage // of the others: its room is used again
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		value = value[:0]
		if d.Decode(&value) != nil {
			return nil, false
		}
		if text, isName := name.(string); isName && slices.Contains(names, text) {
			found[text] = bytes.Clone(value)
		}
	}
	return found, true
}
