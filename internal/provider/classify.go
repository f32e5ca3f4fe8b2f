package provider

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxMatched = 1024           // bytes of a message that are looked at
	maxMessage = 500            // characters of a message that are kept
	maxWait    = 24 * time.Hour // no provider's word makes us wait longer
)

// Classify reads why a provider did not serve a request. It understands errors as a string, as an object, in
// Anthropic's form, with the prefix of old versions, and as the web frameworks of model servers write them; a page of a
// web server is classified by its status alone. Only 200 is no refusal: providers treat every other status of their
// model server as an error and do not bill it. source is what the header ZG-Failure-Source says; it decides only where
// the words do not.
func Classify(status int, contentType, source string, body []byte) zg.RefusalDetail {
	if status == http.StatusOK {
		return zg.RefusalDetail{}
	}
	var e errorWords
	if !isHTML(contentType) {
		e = errorText(body)
	}
	text := strings.ToLower(e.message[:min(len(e.message), maxMatched)])
	d := zg.RefusalDetail{Class: byStatus(status), Message: zg.OneLine(e.message, maxMessage), RetryAfter: wait(text)}
	if status >= 400 && status < 500 {
		readWords(&d, e, text, source)
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

// str is a JSON string, or empty when it is none.
func str(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
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
