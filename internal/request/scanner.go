package request

import (
	"bytes"
	"fmt"
)

// scanner walks a document once.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) fail(what string) error {
	return &Error{Message: fmt.Sprintf("We could not parse the JSON body of your request: %s at byte %d.", what, s.i), Offset: s.i}
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// object reads an object and tells each of its fields, if anybody listens.
func (s *scanner) object(each func(name string, v span) error, depth int) error {
	if depth >= maxDepth {
		return s.fail("too deeply nested")
	}
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		start := s.i
		if err := s.string(); err != nil {
			return err
		}
		key := span{start, s.i}
		s.space()
		if s.peek() != ':' {
			return s.fail("a colon is expected")
		}
		s.i++
		s.space()
		start = s.i
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if each != nil {
			if err := each(unquote(s.b[key.start:key.end]), span{start, s.i}); err != nil {
				return err
			}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case '}':
			s.i++
			return nil
		default:
			return s.fail("a comma or } is expected")
		}
	}
}

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '{':
		return s.object(nil, depth)
	case c == '[':
		return s.array(nil, depth)
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
			s.i += len(word)
			return nil
		}
	}
	return s.fail("a value is expected")
}

// array reads an array and tells each of its elements, if anybody listens.
func (s *scanner) array(each func(v span) error, depth int) error {
	if depth >= maxDepth {
		return s.fail("too deeply nested")
	}
	s.i++
	s.space()
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		start := s.i
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if each != nil {
			if err := each(span{start, s.i}); err != nil {
				return err
			}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case ']':
			s.i++
			return nil
		default:
			return s.fail("a comma or ] is expected")
		}
	}
}

func (s *scanner) string() error {
	if s.peek() != '"' {
		return s.fail("a string is expected")
	}
	s.i++
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return nil
		case c < 0x20:
			return s.fail("a control character in a string")
		case c != '\\':
			s.i++
		default:
			s.i++
			switch s.peek() {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				s.i++
			case 'u':
				s.i++
				for range 4 {
					if c := s.peek(); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
						return s.fail("an escape that is not one")
					}
					s.i++
				}
			default:
				return s.fail("an escape that is not one")
			}
		}
	}
	return s.fail("a string that does not end")
}

func (s *scanner) digits() bool {
	start := s.i
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("a number that is not one")
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return s.fail("a number that is not one")
		}
	}
	if s.peek()|0x20 == 'e' {
		s.i++
		if s.peek() == '+' || s.peek() == '-' {
			s.i++
		}
		if !s.digits() {
			return s.fail("a number that is not one")
		}
	}
	return nil
}
