package simprovider

import (
	"encoding/json"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/crypto"
)

// completion is an answer of a chat model, produced token by token.
type completion struct {
	prompt uint64 // input tokens
	limit  uint64 // largest number of output tokens
	tokens iter.Seq[string]
	tool   *toolCall // nil: the tokens are text, else the arguments of this call
	cutOff bool      // the tokens stop at the limit, not by themselves
}

// pieces are the tokens within the limit.
func (c *completion) pieces(yield func(string) bool) {
	n := uint64(0)
	for piece := range c.tokens {
		if n == c.limit {
			c.cutOff = true
			return
		}
		if n++; !yield(piece) {
			return
		}
	}
}

// finish is the reason to have stopped.
func (c *completion) finish() string {
	switch {
	case c.cutOff:
		return "length"
	case c.tool != nil:
		return "tool_calls"
	}
	return "stop"
}

type toolCall struct{ id, name string }

func (t *toolCall) call(arguments string) replyToolCall {
	return replyToolCall{ID: t.id, Type: "function", Function: replyFunction{Name: t.name, Arguments: arguments}}
}

// opening is the call as the first event of a stream has it.
func (t *toolCall) opening() replyToolCall {
	c := t.call("")
	c.Index = new(int)
	return c
}

// Tokens are whitespace followed by at most this many other characters.
const longestToken = 16

// tokens cuts text into tokens whose concatenation is the text.
func tokens(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			end, letters := 0, 0
			for end < len(text) {
				r, size := utf8.DecodeRuneInString(text[end:])
				if unicode.IsSpace(r) {
					if letters > 0 {
						break
					}
				} else if letters++; letters > longestToken {
					break
				}
				end += size
			}
			if !yield(text[:end]) {
				return
			}
			text = text[end:]
		}
	}
}

func countTokens(text string) (n uint64) {
	for range tokens(text) {
		n++
	}
	return n
}

// What is not text has a price in tokens too.
const (
	tokensPerMessage = 4
	tokensPerPicture = 85
)

// promptTokens counts the input of a chat.
func (r *chatRequest) promptTokens() uint64 {
	var n uint64
	for _, m := range r.Messages {
		text, pictures := m.text()
		n += tokensPerMessage + countTokens(text) + tokensPerPicture*pictures
	}
	for _, t := range r.Tools {
		n += countTokens(t.Function.Name) + countTokens(t.Function.Description) + countTokens(string(encode(t.Function.Parameters)))
	}
	return n
}

// text is the text of a message, whose content is a string or a list of parts, and the number of its other parts.
func (m chatMessage) text() (text string, others uint64) {
	if json.Unmarshal(m.Content, &text) == nil {
		return text, 0
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(m.Content, &parts) != nil {
		return "", 0
	}
	var texts []string
	for _, p := range parts {
		if p.Type == "text" {
			texts = append(texts, p.Text)
		} else {
			others++
		}
	}
	return strings.Join(texts, "\n"), others
}

// lastText is what the models answer to: the last message of the user, or the result of a tool after it.
func (r *chatRequest) lastText() (text string, fromTool bool) {
	for _, m := range slices.Backward(r.Messages) {
		switch m.Role {
		case "user", "tool":
			text, _ = m.text()
			return text, m.Role == "tool"
		}
	}
	text, _ = r.Messages[len(r.Messages)-1].text()
	return text, false
}

// Without a limit of the caller's.
const (
	defaultLorem = 64
	defaultLimit = 1 << 20
)

// complete has the model answer.
func (p *Provider) complete(req *chatRequest) *completion {
	c := &completion{prompt: req.promptTokens(), limit: defaultLimit}
	if n, ok := req.maxTokens(); ok {
		c.limit = n
	}
	if p.cfg.Behaviour == Lorem {
		p.completeLorem(req, c)
	} else {
		completeEcho(req, c)
	}
	return c
}

var (
	loremHint  = regexp.MustCompile(`\blorem:(\d{1,9})\b`)
	loremWords = strings.Fields(`lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut
		labore et dolore magna aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea
		commodo consequat duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur`)
)

// completeLorem writes the number of words that the prompt asks for, else as many as the caller allows, else a few.
func (p *Provider) completeLorem(req *chatRequest, c *completion) {
	want := uint64(defaultLorem)
	if n, ok := req.maxTokens(); ok {
		want = n
	}
	text, _ := req.lastText()
	if m := loremHint.FindStringSubmatch(text); m != nil {
		want, _ = strconv.ParseUint(m[1], 10, 64) // nine digits at most
	}
	c.tokens = func(yield func(string) bool) {
		for i := range want {
			word := loremWords[i%uint64(len(loremWords))]
			if i > 0 {
				word = " " + word
			}
			if !yield(word) {
				return
			}
		}
	}
}

// completeEcho repeats the last message, unless a tool or a JSON answer is called for.
func completeEcho(req *chatRequest, c *completion) {
	text, fromTool := req.lastText()
	if tool := req.chooseTool(text, fromTool); tool != nil {
		arguments := encodePlain(example(tool.Function.Parameters, tool.Function.Parameters, "", text, 0))
		c.tool = &toolCall{id: "call_" + digestID(tool.Function.Name+string(arguments)), name: tool.Function.Name}
		c.tokens = tokens(string(arguments))
		return
	}
	switch req.Format.Type {
	case "json_schema":
		text = string(encodePlain(example(req.Format.Schema.Schema, req.Format.Schema.Schema, "", text, 0)))
	case "json_object":
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) != nil {
			text = string(encodePlain(map[string]string{"echo": text}))
		}
	}
	c.tokens = tokens(text)
}

// digestID is a short id that depends on nothing but s.
func digestID(s string) string { return crypto.Keccak256Hash([]byte(s)).Hex()[2:26] }
