package simprovider

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// chooseTool says which tool the echo model calls, if any: the one it is told to, or one that the text speaks of by a
// word of its name. After the result of a tool it calls no other unless it must.
func (r *chatRequest) chooseTool(text string, fromTool bool) *chatTool {
	if len(r.Tools) == 0 {
		return nil
	}
	var choice string
	if json.Unmarshal(r.ToolChoice, &choice) != nil {
		var named struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		}
		if json.Unmarshal(r.ToolChoice, &named) == nil && named.Function.Name != "" {
			for i := range r.Tools {
				if r.Tools[i].Function.Name == named.Function.Name {
					return &r.Tools[i]
				}
			}
		}
	}
	if choice == "none" || fromTool && choice != "required" {
		return nil
	}
	words := strings.FieldsFunc(strings.ToLower(text), notInName)
	for i, t := range r.Tools {
		for _, w := range strings.FieldsFunc(strings.ToLower(t.Function.Name), notInName) {
			if len(w) > 3 && slices.Contains(words, w) {
				return &r.Tools[i]
			}
		}
	}
	if choice == "required" {
		return &r.Tools[0]
	}
	return nil
}

func notInName(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

const deepestSchema = 16

var place = regexp.MustCompile(`\b(?:in|for|at) ([A-Z][\w'-]*(?: [A-Z][\w'-]*)*)`)

// example is a value that fits a JSON schema, made of the text where it can be. Only the usual parts of schemas matter.
func example(root, schema map[string]any, name, text string, depth int) any {
	if depth > deepestSchema {
		return nil
	}
	if ref, ok := schema["$ref"].(string); ok {
		return example(root, resolve(root, ref), name, text, depth+1)
	}
	for _, key := range []string{"const", "default"} {
		if v, ok := schema[key]; ok {
			return v
		}
	}
	if values, ok := schema["enum"].([]any); ok && len(values) > 0 {
		return values[0]
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := schema[key].([]any); ok && len(list) > 0 {
			first, _ := list[0].(map[string]any)
			return example(root, first, name, text, depth+1)
		}
	}
	switch schemaType(schema) {
	case "string":
		if m := place.FindStringSubmatch(text); m != nil && isPlace(name) {
			return m[1]
		}
		return text
	case "integer", "number":
		if v, ok := schema["minimum"]; ok {
			return v
		}
		return 1
	case "boolean":
		return true
	case "array":
		items, _ := schema["items"].(map[string]any)
		return []any{example(root, items, name, text, depth+1)}
	case "null":
		return nil
	}
	object := make(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	for key, p := range properties {
		sub, _ := p.(map[string]any)
		object[key] = example(root, sub, key, text, depth+1)
	}
	return object
}

// schemaType is the type a schema names first.
func schemaType(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			s, _ := t[0].(string)
			return s
		}
	}
	return ""
}

// resolve follows a reference within the schema itself, such as "#/$defs/city".
func resolve(root map[string]any, ref string) map[string]any {
	at := root
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at, _ = at[step].(map[string]any)
	}
	return at
}

func isPlace(name string) bool {
	for _, word := range []string{"location", "city", "place", "country", "town"} {
		if strings.Contains(strings.ToLower(name), word) {
			return true
		}
	}
	return false
}
