package zg

import (
	"encoding/base64"
	"html"
	"regexp"
	"strconv"
	"strings"
)

// Credential is what a request went out with: the session token, or the key of an endpoint. Its receiver has seen it
// and may say it again, in a message about it or in a dump of what it was sent; whoever reads that could spend from the
// wallet. So nothing that tells it, or a good part of it, reaches a caller or a log.
type Credential struct {
	token string
	proof string // of a session token: the signature, which with what is public makes the token
}

const (
	tokenPrefix = "app-sk-"
	leakPiece   = 24 // characters of a credential that nobody writes by chance
	leakShort   = 16 // characters of an endpoint's key below which it is taken for a word
	leakLayers  = 4  // of escaping, one around the other
)

// sessionToken finds session tokens in words.
var sessionToken = regexp.MustCompile(`(?i)app-sk-[A-Za-z0-9+/=_-]*`)

// hidden stands where a credential was.
const hidden = "[session token]"

// CredentialOf is the credential in the value of an Authorization header.
func CredentialOf(bearer string) Credential {
	token := strings.TrimPrefix(bearer, "Bearer ")
	payload, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return Credential{token: token}
	}
	c := Credential{token: payload}
	if message, err := base64.StdEncoding.DecodeString(payload); err == nil {
		_, c.proof, _ = strings.Cut(string(message), "|0x")
	}
	return c
}

// In reports whether a text tells the credential, as it is or in one of the ways in which texts are escaped in JSON, in
// URLs and in pages.
func (c Credential) In(text string) bool {
	for range leakLayers {
		if len(text) < len(tokenPrefix) {
			return false
		}
		if prefixIn(text) || pieceIn(text, c.token) || pieceIn(text, c.proof) {
			return true
		}
		plainer := unescaped(text)
		if plainer == text {
			return false
		}
		text = plainer
	}
	return false
}

// prefixIn reports whether a text has what every session token begins with, in any case: names of headers have one of
// their own.
func prefixIn(text string) bool {
	for i := 0; ; i++ {
		dash := strings.IndexByte(text[i:], '-')
		if dash < 0 {
			return false
		}
		i += dash
		if from := i - len("app"); from >= 0 && from+len(tokenPrefix) <= len(text) && strings.EqualFold(text[from:from+len(tokenPrefix)], tokenPrefix) {
			return true
		}
	}
}

// pieceIn reports whether a text has a piece of the credential in it, or all of it where it is short.
func pieceIn(text, credential string) bool {
	if len(credential) < 2*leakPiece {
		return len(credential) >= leakShort && strings.Contains(text, credential)
	}
	if len(text) < leakPiece {
		return false
	}
	for ; len(credential) >= leakPiece; credential = credential[leakPiece:] {
		if strings.Contains(text, credential[:leakPiece]) {
			return true
		}
	}
	return false
}

// Clean is a text without the credential. Where only a part of it can be seen to be one, nothing of the text is left.
func (c Credential) Clean(text string) string {
	if !c.In(text) {
		return text
	}
	if text = sessionToken.ReplaceAllString(text, hidden); c.In(text) {
		return hidden
	}
	return text
}

// longestCause is how many characters of an error are logged: a transport quotes whole lines of a peer's header.
const longestCause = 1000

// CleanError is what an error says, for a log: one harmless line without the credential.
func (c Credential) CleanError(err error) string {
	if err == nil {
		return ""
	}
	said := err.Error()
	return OneLine(c.Clean(said[:min(len(said), 4*longestCause)]), longestCause)
}

// unescaped takes one layer of escaping off a text.
func unescaped(text string) string {
	if strings.Contains(text, "&") {
		text = html.UnescapeString(text)
	}
	if !strings.ContainsAny(text, `\%`) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '%' && i+2 < len(text):
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 2
				continue
			}
		case c == '\\' && i+5 < len(text) && (text[i+1] == 'u' || text[i+1] == 'U'):
			if n, err := strconv.ParseUint(text[i+2:i+6], 16, 16); err == nil {
				out.WriteRune(rune(n))
				i += 5
				continue
			}
		case c == '\\' && i+3 < len(text) && text[i+1] == 'x':
			if n, err := strconv.ParseUint(text[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`"\/`, text[i+1]) >= 0:
			out.WriteByte(text[i+1])
			i++
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}
