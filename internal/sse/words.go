package sse

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// wordCounter counts words, separated by whitespace, in text that arrives in pieces.
type wordCounter struct {
	words  uint64
	inWord bool
	cut    []byte // the beginning of a character that a piece ended in
}

func (c *wordCounter) write(p []byte) {
	if len(c.cut) > 0 {
		for len(p) > 0 && !utf8.FullRune(c.cut) {
			c.cut, p = append(c.cut, p[0]), p[1:]
		}
		if !utf8.FullRune(c.cut) {
			return
		}
		r, n := utf8.DecodeRune(c.cut)
		rest := append([]byte(nil), c.cut[n:]...)
		c.cut = c.cut[:0]
		c.rune(r)
		c.write(rest) // what only looked like the beginning of one character
	}
	for len(p) > 0 {
		if b := p[0]; b < utf8.RuneSelf {
			space := b == ' ' || (b >= '\t' && b <= '\r')
			if !space && !c.inWord {
				c.words++
			}
			c.inWord, p = !space, p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			c.cut = append(c.cut[:0], p...)
			return
		}
		r, n := utf8.DecodeRune(p)
		c.rune(r)
		p = p[n:]
	}
}

func (c *wordCounter) rune(r rune) {
	space := unicode.IsSpace(r)
	if !space && !c.inWord {
		c.words++
	}
	c.inWord = !space
}

// stringWords counts the words of JSON strings, given as they stand between their quotes.
type stringWords struct {
	wordCounter
	escaped bool
	digits  int // of \uXXXX, still to come
	unit    rune
}

// next begins another text.
func (s *stringWords) next() {
	s.inWord, s.cut, s.escaped, s.digits = false, s.cut[:0], false, 0
}

func (s *stringWords) write(p []byte) {
	for len(p) > 0 {
		switch {
		case s.digits > 0:
			s.hex(p[0])
			p = p[1:]
		case s.escaped:
			s.escape(p[0])
			p = p[1:]
		default:
			n := bytes.IndexByte(p, '\\')
			if n < 0 {
				n = len(p)
			}
			s.wordCounter.write(p[:n])
			if n < len(p) {
				s.escaped = true
				n++
			}
			p = p[n:]
		}
	}
}

func (s *stringWords) escape(c byte) {
	s.escaped = false
	switch c {
	case 'u':
		s.digits, s.unit = 4, 0
	case 'n', 'r', 't', 'f':
		s.rune(' ')
	default:
		s.rune('x')
	}
}

func (s *stringWords) hex(c byte) {
	switch {
	case c >= '0' && c <= '9':
		c -= '0'
	default:
		c = c&0xf + 9 // a letter in either case
	}
	s.unit = s.unit<<4 | rune(c)
	if s.digits--; s.digits == 0 {
		s.rune(s.unit) // half of a pair is no space either
	}
}

// outputKeys are the keys whose strings are the output of a chat, of OpenAI's and of Anthropic's kind, by their last
// letter.
var outputKeys = map[byte][]string{
	't': {`"content"`, `"text"`, `"reasoning_content"`},
	's': {`"arguments"`},
	'g': {`"reasoning"`, `"thinking"`},
	'n': {`"partial_json"`},
}

// chatKey reports whether a text ends with one of those keys and its quotes.
func chatKey(head []byte) bool {
	if len(head) < 2 {
		return false
	}
	switch last := head[len(head)-2]; last {
	case 't', 's', 'g', 'n':
		for _, k := range outputKeys[last] {
			if len(head) >= len(k) && string(head[len(head)-len(k):]) == k {
				return true
			}
		}
	}
	return false
}

func deltaKey(head []byte) bool { return bytes.HasSuffix(head, []byte(`"delta"`)) }

func textKey(head []byte) bool { return bytes.HasSuffix(head, []byte(`"text"`)) }

// countValues counts the words of every string that belongs to a key. A quote inside a string is escaped, so a key with
// its quotes and a colon are one wherever they stand.
func (s *stringWords) countValues(data []byte, key func(head []byte) bool) (found bool) {
	for from := 0; ; {
		i := bytes.IndexByte(data[from:], ':')
		if i < 0 {
			return found
		}
		colon := from + i
		from = colon + 1
		head := data[:colon]
		for len(head) > 0 && (head[len(head)-1] == ' ' || head[len(head)-1] == '\t') {
			head = head[:len(head)-1]
		}
		if !key(head) {
			continue
		}
		value := trimSpace(data[from:])
		if len(value) == 0 || value[0] != '"' {
			continue
		}
		value = value[1:]
		end := stringEnd(value)
		found = true
		s.write(value[:end])
		from = len(data) - len(value) + end
	}
}

// stringEnd is where the string that p begins inside of ends.
func stringEnd(p []byte) int {
	for i := 0; i < len(p); {
		n := bytes.IndexByte(p[i:], '"')
		if n < 0 {
			break
		}
		end := i + n
		slashes := 0
		for j := end - 1; j >= i && p[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return end
		}
		i = end + 1
	}
	return len(p)
}
