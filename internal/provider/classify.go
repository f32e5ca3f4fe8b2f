package provider

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// texts are the words by which providers of all versions are understood; the first that is found counts.
var texts = []struct {
	part  string
	class zg.Refusal
}{
	{"session token expired", zg.RefusalSessionExpired},
	{"has been revoked", zg.RefusalSessionRevoked},
	{"future generation", zg.RefusalSessionFuture},
	{"validate session", zg.RefusalSession},
	{"too many invalid model requests", zg.RefusalBanned},
	{"token_budget_exceeded", zg.RefusalTokenBudget},
	{"too many concurrent requests", zg.RefusalConcurrency},
	{"service not acknowledge the tee signer", zg.RefusalSigner},
	{"not acknowledge the provider", zg.RefusalNotAcknowledged},
	{"account not exist", zg.RefusalNoAccount},
	{"insufficient balance", zg.RefusalBalance},
	{"model not supported", zg.RefusalModel},
	{"endpoint not supported", zg.RefusalEndpoint},
	{"request body size exceeds", zg.RefusalTooLarge},
}

// Classify says why a provider did not serve a request, from the status and the text of its answer. Providers refuse
// session tokens with 400 rather than 401, so the text goes before the status.
func Classify(status int, _ string, body []byte) zg.RefusalDetail {
	d := zg.RefusalDetail{Message: message(body)}
	text := strings.ToLower(string(body))
	for _, t := range texts {
		// A model's own 4xx could hold such words in a quoted prompt; money and session matters are 4xx of the broker.
		if strings.Contains(text, t.part) && status >= 400 && status < 500 {
			d.Class = t.class
			break
		}
	}
	if d.Class == "" {
		d.Class = byStatus(status)
	}
	if d.Class == zg.RefusalBalance {
		d.Required, d.Reserve, d.Unsettled, d.RequestFee = amounts(d.Message)
	}
	d.RetryAfter = wait(text)
	return d
}

func byStatus(status int) zg.Refusal {
	switch {
	case status == http.StatusUnauthorized:
		return zg.RefusalSession
	case status == http.StatusGone:
		return zg.RefusalModelExpired
	case status == http.StatusRequestEntityTooLarge:
		return zg.RefusalTooLarge
	case status == http.StatusTooManyRequests:
		return zg.RefusalRate
	case status == http.StatusServiceUnavailable:
		return zg.RefusalBusy
	case status >= 500 || status < 400:
		return zg.RefusalUpstream
	}
	return zg.RefusalRequest
}

// message finds the words in {"error":"…"}, {"error":{"message":"…"}} and {"message":"…"}.
func message(body []byte) string {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(outer.Error, &text) == nil {
		return text
	}
	var inner struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(outer.Error, &inner) == nil && inner.Message != "" {
		return inner.Message
	}
	return outer.Message
}

var (
	waitSeconds = regexp.MustCompile(`please wait (\d{1,6}) second`)
	waitAgain   = regexp.MustCompile(`try again in ((?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s)?)`)
	required    = regexp.MustCompile(`required minimum is (\d+(?:\.\d{1,18})?) 0G`)
	parts       = regexp.MustCompile(`minimum reserve (\d+(?:\.\d{1,18})?) 0G \+ unsettled fees (\d+(?:\.\d{1,18})?) 0G \+ current request fee (\d+(?:\.\d{1,18})?) 0G`)
)

func wait(text string) time.Duration {
	if m := waitSeconds.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			return time.Duration(n) * time.Second
		}
	}
	if m := waitAgain.FindStringSubmatch(text); m != nil {
		if d, err := time.ParseDuration(m[1]); err == nil && d > 0 {
			return d
		}
	}
	return 0
}

func amounts(text string) (total, reserve, unsettled, fee zg.Neuron) {
	read := func(s string) zg.Neuron {
		n, err := zg.ParseOg(s)
		if err != nil {
			return zg.Neuron{} // the pattern admits numbers that are too long; then nothing is known
		}
		return n
	}
	if m := required.FindStringSubmatch(text); m != nil {
		total = read(m[1])
	}
	if m := parts.FindStringSubmatch(text); m != nil {
		reserve, unsettled, fee = read(m[1]), read(m[2]), read(m[3])
	}
	return total, reserve, unsettled, fee
}
