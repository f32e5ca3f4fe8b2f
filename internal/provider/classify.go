package provider

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// A provider's own words come at the beginning of a message. Further on it may quote what the caller wrote.
	maxMatched = 1024
	maxMessage = 500            // of a message that is kept
	maxWait    = 24 * time.Hour // no provider's word makes us wait longer
)

// The words by which refusals of all versions are told apart, in lower case, in this order. Providers answer 400 to nearly
// everything, refused session tokens included, so the text goes before the status.
var phrases = []struct {
	text  string
	class zg.Refusal
}{
	{"session token expired", zg.RefusalSessionExpired},
	{"session token has been revoked", zg.RefusalSessionRevoked},
	{"invalid session token (future generation)", zg.RefusalSessionFuture},
	{"validate session:", zg.RefusalSession},
	{"missing or invalid authorization header", zg.RefusalSession},
	{"too many invalid model requests", zg.RefusalBanned},
	{"too many concurrent requests", zg.RefusalConcurrency},
	{"token_budget_exceeded", zg.RefusalTokenBudget},
	{"get account from contract, account not exist", zg.RefusalNoAccount},
	{"account not exist", zg.RefusalNoAccount},
	{"user not acknowledge the provider", zg.RefusalNotAcknowledged},
	{"service not acknowledge the tee signer", zg.RefusalSigner},
	{"insufficient balance", zg.RefusalBalance},
	{"model not supported", zg.RefusalModel},
	{"endpoint not supported", zg.RefusalEndpoint},
	{"is no longer available (expired at", zg.RefusalModelExpired},
	{"request body size exceeds the maximum", zg.RefusalTooLarge},
	{"rate limit exceeded", zg.RefusalRate},
	{"call proxied service:", zg.RefusalUpstream}, // old versions: the model server cannot be reached
}

// Classify reads why a provider did not serve a request. It understands errors as a string, as an object, in Anthropic's
// form and with the prefix of old versions; a page of a web server is classified by its status alone. Only 200 is no
// refusal: providers treat every other status of their model server as an error and do not bill it.
func Classify(status int, contentType string, body []byte) zg.RefusalDetail {
	if status == http.StatusOK {
		return zg.RefusalDetail{}
	}
	message, code := "", ""
	if !isHTML(contentType) {
		message, code = errorText(body)
	}
	text := strings.ToLower(message[:min(len(message), maxMatched)])
	d := zg.RefusalDetail{Class: byStatus(status), Message: presentable(message), RetryAfter: wait(text)}
	if status >= 400 && status < 500 {
		if code == "token_budget_exceeded" {
			text = code
		}
		for _, p := range phrases {
			if strings.Contains(text, p.text) {
				d.Class = p.class
				break
			}
		}
	}
	if d.Class == zg.RefusalBalance {
		d.Required = amount(requiredPattern, text)
		d.Reserve = amount(reservePattern, text)
		d.Unsettled = amount(unsettledPattern, text)
		d.RequestFee = amount(feePattern, text)
	}
	return d
}

func byStatus(status int) zg.Refusal {
	switch {
	case status == http.StatusGone:
		return zg.RefusalModelExpired
	case status == http.StatusRequestEntityTooLarge:
		return zg.RefusalTooLarge
	case status == http.StatusTooManyRequests:
		return zg.RefusalRate
	case status == http.StatusServiceUnavailable:
		return zg.RefusalBusy
	case status >= 400 && status < 500:
		return zg.RefusalRequest
	}
	return zg.RefusalUpstream
}

// errorText finds the message, and a code where there is one, in the error of a provider or of its model server. What is not
// a JSON object, be it plain text or cut off, is its own message.
func errorText(body []byte) (message, code string) {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &outer) != nil {
		text := strings.TrimSpace(string(body[:min(len(body), 2*maxMatched)]))
		if strings.HasPrefix(text, "<") {
			return "", "" // a page, whatever the header calls it
		}
		return text, ""
	}
	var object struct {
		Message json.RawMessage `json:"message"`
		Code    json.RawMessage `json:"code"`
	}
	switch text := str(outer.Error); {
	case text != "":
		message = text
	case json.Unmarshal(outer.Error, &object) == nil:
		message, code = str(object.Message), str(object.Code)
	}
	for _, other := range []json.RawMessage{outer.Message, outer.Detail} {
		if message == "" {
			message = str(other)
		}
	}
	message = strings.TrimSpace(message)
	return strings.TrimPrefix(message, "Provider proxy: handle proxied service, "), code
}

// str is a JSON string, or empty when it is none.
func str(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// presentable makes a peer's words fit for logs and for a caller.
func presentable(s string) string {
	s = s[:min(len(s), 4*maxMessage)]
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > maxMessage {
			return -1
		}
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

var (
	secondsPattern = regexp.MustCompile(`please wait ([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s(?:econd)?`)
	againPattern   = regexp.MustCompile(`try again in ((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s))+)`)

	requiredPattern  = regexp.MustCompile(`required minimum is ([0-9.]+) 0g`)
	reservePattern   = regexp.MustCompile(`minimum reserve ([0-9.]+) 0g`)
	unsettledPattern = regexp.MustCompile(`unsettled fees ([0-9.]+) 0g`)
	feePattern       = regexp.MustCompile(`current request fee ([0-9.]+) 0g`)
)

// wait reads how long to wait from a message in lower case: providers send no Retry-After.
func wait(text string) time.Duration {
	var length string
	if m := secondsPattern.FindStringSubmatch(text); m != nil {
		length = m[1] + "s"
	} else if m := againPattern.FindStringSubmatch(text); m != nil {
		length = m[1]
	}
	d, err := time.ParseDuration(length)
	if err != nil {
		return 0 // nothing said, or nothing that is a length of time
	}
	return min(d, maxWait)
}

// amount reads one of the amounts that a message in lower case names in 0G; zero when it does not.
func amount(pattern *regexp.Regexp, text string) zg.Neuron {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return zg.Neuron{}
	}
	n, err := zg.ParseOg(m[1])
	if err != nil {
		return zg.Neuron{} // not an amount; the class of the refusal stands without it
	}
	return n
}
