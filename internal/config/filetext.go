package config

import (
	"bytes"
	"strings"
)

// plainFile is the text of a file that people write with whatever editor they have. A byte order mark in front of
// UTF-8 is not part of it. UTF-16, in which some editors and shells write without being asked, is named: read byte by
// byte it would become another key, or a variable that nobody knows.
func plainFile(text []byte, name string) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) || bytes.IndexByte(text, 0) >= 0 {
		return nil, valueError(name + " is in UTF-16, or is not a text; save it as UTF-8")
	}
	return text, nil
}

// callersKey says what is wrong with a key that callers present in a header; empty: nothing. Clients can send no
// others, or send them in ways of their own.
func callersKey(key string) string {
	switch {
	case strings.ContainsAny(key, " \t\r"):
		return "a key contains a space"
	case strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }):
		return "a key contains something else than printable ASCII: letters, digits and punctuation"
	}
	return ""
}
