package sse

import (
	"bytes"
	"iter"
)

// members are the names, with their quotes, and the values of an object that is known to be well formed.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		rest := trimSpace(object[1:])
		for len(rest) > 0 && rest[0] != '}' {
			name := value(rest)
			rest = trimSpace(rest[len(name):])
			rest = trimSpace(rest[1:]) // the colon
			v := value(rest)
			if !yield(name, v) {
				return
			}
			if rest = trimSpace(rest[len(v):]); len(rest) > 0 && rest[0] == ',' {
				rest = trimSpace(rest[1:])
			}
		}
	}
}

// values are the elements of an array that is known to be well formed.
func values(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		rest := trimSpace(array[1:])
		for len(rest) > 0 && rest[0] != ']' {
			v := value(rest)
			if !yield(v) {
				return
			}
			if rest = trimSpace(rest[len(v):]); len(rest) > 0 && rest[0] == ',' {
				rest = trimSpace(rest[1:])
			}
		}
	}
}

// value is the value that well-formed JSON begins with.
func value(p []byte) []byte {
	depth := 0
	for i := 0; i < len(p); {
		switch p[i] {
		case '"':
			i = min(i+2+textEnd(p[i+1:]), len(p))
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':':
			i++
			continue
		default:
			n := bytes.IndexAny(p[i:], ",:]}[{\" \t\r\n")
			switch {
			case n < 0:
				n = len(p) - i
			case n == 0: // white space
				i++
				continue
			}
			i += n
		}
		if depth == 0 {
			return p[:i]
		}
	}
	return p
}

// textEnd is where the string that p begins inside of ends. Each byte is looked at once.
func textEnd(p []byte) int {
	for i := 0; i < len(p); {
		n := bytes.IndexAny(p[i:], `"\`)
		if n < 0 {
			break
		}
		if i += n; p[i] == '"' {
			return i
		}
		i += 2
	}
	return len(p)
}
