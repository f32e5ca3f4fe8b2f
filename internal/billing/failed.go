package billing

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Failed is why the last try to top up a sub-account came to nothing, or why it cannot be tried.
type Failed struct {
	// Why is for the owner, in the words of whatever refused: one printable line without secrets. Empty: nothing failed.
	Why string
	// plain is the same for callers. It is made of our own words only: what an endpoint or a signer says is none of their
	// business. Empty: the reason says all that they may know.
	plain string
	At    time.Time // of the try; zero: there was none
	Again time.Time // when the next one is due; zero: at the next look
}

// String says it in one or two sentences; empty where nothing failed.
func (f *Failed) String() string {
	if f.Why == "" {
		return ""
	}
	text := "Why: "
	if !f.At.IsZero() {
		text = "The last try, at " + f.At.UTC().Format(time.RFC3339) + ": "
	}
	text += strings.TrimSuffix(f.Why, ".") + "."
	if !f.Again.IsZero() {
		text += " The next one is due at " + f.Again.UTC().Format(time.RFC3339) + "."
	}
	return text
}

// forCaller says what a caller may know of it, as a further sentence.
func (f *Failed) forCaller() string {
	if f.plain == "" {
		return ""
	}
	return " Why: " + f.plain + "."
}

// failure keeps a provider from being tried again at once.
type failure struct {
	Failed
	reason string
	times  int
}

// whyNotSigned is which refusal it is that nothing was signed, and what callers may know of it beyond that.
func whyNotSigned(err error) (reason, plain string) {
	switch {
	case errors.Is(err, zg.ErrInsufficientFunds):
		return refusalGas, ""
	case errors.Is(err, zg.ErrFeeTooHigh):
		return refusalFees, ""
	case errors.Is(err, zg.ErrNoSignature):
		return refusalSigning, "the external signer has not signed"
	case errors.Is(err, zg.ErrRPC), errors.Is(err, errBehind):
		return refusalEndpoint, ""
	case errors.Is(err, zg.ErrContract):
		return refusalContract, ""
	case errors.Is(err, zg.ErrDecidedOtherwise):
		return refusalSigning, "the sub-account has changed since it was decided"
	}
	return refusalSigning, ""
}

// longestWhy is how much of an error is kept, in characters.
const longestWhy = 300

var (
	anyURL = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	// secretWords are how nodes and gateways repeat a key that was presented to them.
	secretWords = regexp.MustCompile(`(?i)\b((?:(?:api|access)[-_ ]?key|secret|password|passwd|authorization)"?\s*[=:]\s*(?:bearer |basic )?|(?:key|token)=|bearer )` +
		`("[^"]*"|[^\s,;"']+)`)
)

// said is an error as the owner may be shown it: one line that does nothing to a terminal, of bounded length, without
// what is hidden in URLs.
func said(err error) string {
	if err == nil {
		return ""
	}
	text := zg.OneLine(err.Error(), 64*longestWhy) // before anything slow is done with it
	text = anyURL.ReplaceAllStringFunc(text, bareURL)
	text = secretWords.ReplaceAllString(text, "$1[redacted]")
	return zg.OneLine(text, longestWhy)
}

// bareURL is a URL without anything that may hold a key.
func bareURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "[redacted]"
	}
	bare := u.Scheme + "://" + u.Host
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		bare += "/[redacted]"
	}
	return bare
}

// endedBadly is why a transaction moved nothing, with its name. what is what it was, where that has to be said.
func endedBadly(e *Entry, what string) string {
	if e.State == EntryCancelled {
		return fmt.Sprintf("the transaction with nonce %d%s was not mined in time, signed %d times with rising fees, and one that moves nothing took its place in block %d (%s)",
			e.Nonce, what, countCalls(e), e.Block, e.Hash)
	}
	return fmt.Sprintf("transaction %s%s was mined in block %d, and the contract refused it", e.Hash, what, e.Block)
}

// countCalls is how often a call was signed, without what cancels it.
func countCalls(e *Entry) (n int) {
	for _, tx := range e.Txs {
		if !tx.Cancels {
			n++
		}
	}
	return n
}
