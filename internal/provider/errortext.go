package provider

import (
	"encoding/json"
	"strconv"
	"strings"
)

const (
	maxDepth  = 6 // of errors inside errors
	maxErrors = 8 // of a list that are told
)

// errorWords is what an error document says.
type errorWords struct {
	message, code string
	own           bool // a broker's own form: a string, or plain text
}

// errorText finds the message, and a code where there is one, in the error of a provider or of its model server. What
// is not a JSON object, be it plain text or cut off, is its own message.
func errorText(body []byte) errorWords {
	valid := json.Valid(body)
	var outer map[string]json.RawMessage
	if valid {
		outer, _ = members(body, "error", "message", "detail", "errors", "msg")
	}
	first := strings.TrimLeft(string(body[:min(len(body), maxMatched)]), " \t\r\n")
	if valid && first == "null" {
		return errorWords{}
	}
	if outer == nil {
		text := strings.TrimSpace(string(body[:min(len(body), 2*maxMatched)]))
		if strings.HasPrefix(text, "<") {
			return errorWords{} // a page, whatever the header calls it
		}
		if valid && strings.HasPrefix(first, "[") {
			return errorWords{message: wordsOf(body, maxDepth)}
		}
		text = strings.TrimPrefix(text, `{"error":"`) // cut off
		return errorWords{message: withoutPrefix(text), own: true}
	}
	e := errorWords{own: str(outer["error"]) != ""}
	if object, ok := members(outer["error"], "code"); ok {
		e.code = str(object["code"])
	}
	for _, key := range []string{"error", "message", "detail", "errors", "msg"} {
		if e.message == "" {
			e.message = wordsOf(outer[key], maxDepth)
		}
	}
	e.message = withoutPrefix(e.message)
	return e
}

func withoutPrefix(s string) string {
	return strings.TrimPrefix(strings.TrimSpace(s), "Provider proxy: handle proxied service, ")
}

// wordsOf reads the words of an error in the forms that model servers give it: a string, an object with a message, and
// lists of either, where each element may say which field it is about.
func wordsOf(raw json.RawMessage, depth int) string {
	if len(raw) == 0 || depth == 0 {
		return ""
	}
	if s := str(raw); s != "" {
		return strings.TrimSpace(s)
	}
	if list, ok := elements(raw, maxErrors); ok {
		var all []string
		for _, one := range list {
			if s := wordsOf(one, depth-1); s != "" {
				all = append(all, s)
			}
		}
		return strings.Join(all, "; ")
	}
	object, ok := members(raw, "message", "msg", "error", "detail", "errors", "reason", "loc")
	if !ok {
		return ""
	}
	for _, key := range []string{"message", "msg", "error", "detail", "errors", "reason"} {
		if s := wordsOf(object[key], depth-1); s != "" {
			if at := location(object["loc"]); at != "" {
				s = at + ": " + s
			}
			return s
		}
	}
	return ""
}

// location is the place of a field, such as body.messages.0.content.
func location(raw json.RawMessage) string {
	steps, ok := elements(raw, maxErrors)
	if !ok {
		return ""
	}
	var all []string
	for _, step := range steps {
		var n int64
		if s := str(step); s != "" {
			all = append(all, s)
		} else if json.Unmarshal(step, &n) == nil {
			all = append(all, strconv.FormatInt(n, 10))
		}
	}
	return strings.Join(all, ".")
}
