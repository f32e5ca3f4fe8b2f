package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// maxQuoted bounds what of a provider's message is told, in characters.
const maxQuoted = 2000

// refusalError decides how a caller learns of a provider's answer other than 200. head is what was read of its body,
// label names the provider, sent is what it was shown. Where the body is an error object that clients read, it passes
// as it is: then the error only says which headers go with it. Else the error is ours, with the provider's words in it.
//
// What concerns the wallet's account with the provider is not the caller's fault, whatever status the provider chose
// for it, and a status that is not an error is none of the caller's either.
func refusalError(resp *http.Response, head []byte, d zg.RefusalDetail, label string, sent zg.Credential) (e *APIError, passThrough bool) {
	class := d.Class
	if _, known := conditions[string(class)]; !known {
		class = zg.RefusalUpstream
	}
	object, said := errorObject(head), d.Message
	if coding := baseType(resp.Header.Get("Content-Encoding")); coding != "" && coding != "identity" {
		object, said = false, "" // compressed, although it was asked not to be: what was read are no words
	}
	if d.Inner {
		said = "" // about its database or its network: it is in the log
	}
	e = problem(string(class), refusalMessage(class, said, label))
	e.Refusal = class
	e.RetryAfter = retryAfter(resp.Header, d, time.Now())
	e.Status = refusalStatus(class, resp.StatusCode, said != "", json.Valid(head))
	if class == zg.RefusalModel || class == zg.RefusalModelExpired {
		e.Param = "model"
	}
	if e.Status >= 500 {
		e.Type = typeServer
	}
	if object && passes(class, resp.StatusCode) && !sent.In(string(head)) {
		e.Status = resp.StatusCode
		return e, true
	}
	return e, false
}

// passes reports whether an error object of this class and status may reach the caller as it is.
func passes(class zg.Refusal, status int) bool {
	switch class {
	case zg.RefusalSessionExpired, zg.RefusalSessionRevoked, zg.RefusalSessionFuture, zg.RefusalSession,
		zg.RefusalNoAccount, zg.RefusalNotAcknowledged, zg.RefusalBalance, zg.RefusalSigner:
		return false
	default:
	}
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusProxyAuthRequired:
		return false // it is about credentials or money of whoever asked the model server, which is not the caller
	}
	return status >= 400 && status < 600
}

// refusalStatus is what a refusal that does not pass as it is has as its status.
func refusalStatus(class zg.Refusal, status int, worded, structured bool) int {
	switch class {
	case zg.RefusalModelExpired:
		if status == http.StatusNotFound {
			return status
		}
	case zg.RefusalUpstream:
		if status == http.StatusGatewayTimeout {
			return status
		}
	case zg.RefusalRequest:
		switch {
		case status == http.StatusRequestTimeout:
			return status
		case status == http.StatusUnprocessableEntity && structured:
			return status // a validation error in a form of its own
		case status < 400 || status >= 500 || !worded:
			return http.StatusBadGateway // a page of a server in between, which never saw the request as the caller wrote it
		case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusProxyAuthRequired:
			return http.StatusBadGateway
		case !structured && (status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusMethodNotAllowed):
			return http.StatusBadGateway // the address leads to something else than a provider
		}
		return status
	default:
	}
	return conditions[string(class)].status
}

// refusalWords is what a provider that refuses does, by the class of its refusal.
var refusalWords = map[zg.Refusal]string{
	zg.RefusalSessionExpired: "did not accept the session token any more; a new one is made for the next request",
	zg.RefusalSessionRevoked: "did not accept the session token any more; a new one is made for the next request",
	zg.RefusalSessionFuture:  "has not seen yet that earlier session tokens were revoked; it notices within 10 minutes",
	zg.RefusalSession:        "did not accept the wallet's session token",
	zg.RefusalNoAccount:      "sees no sub-account of the wallet",
	zg.RefusalNotAcknowledged: "has not seen that the wallet acknowledges its signer; where that has been done it notices " +
		"within 10 minutes",
	zg.RefusalBalance:      "wants more in its sub-account before it serves",
	zg.RefusalSigner:       "refuses every request, because its signer is not acknowledged on chain; use another provider",
	zg.RefusalModel:        "does not know the model",
	zg.RefusalEndpoint:     "does not serve this URL",
	zg.RefusalModelExpired: "does not serve the model any more",
	zg.RefusalBanned:       "serves this wallet nothing for an hour, because it was asked for unknown models too often",
	zg.RefusalRate:         "takes no more requests from this wallet for a moment",
	zg.RefusalConcurrency:  "takes no more requests from this wallet at a time",
	zg.RefusalTokenBudget:  "has no room for so many tokens at the moment",
	zg.RefusalTooLarge:     "refused the request because it is too large",
	zg.RefusalBusy:         "is busy or not available at the moment",
	zg.RefusalUpstream:     "failed to answer",
	zg.RefusalRequest:      "refused the request",
}

// refusalMessage says in words for a caller why a provider did not serve a request.
func refusalMessage(class zg.Refusal, said, label string) string {
	m := refusedWords(class, label) + "; nothing was billed."
	if said = quotable(said); said != "" {
		m += " It says: " + said
	}
	return m
}

// refusedWords names who refuses, and why.
func refusedWords(class zg.Refusal, label string) string {
	if id, ok := strings.CutPrefix(label, "endpoint:"); ok {
		return "Endpoint " + id + " " + refusalWords[class]
	}
	return "Provider " + label + " " + refusalWords[class]
}

// quotable makes a provider's words fit for an error of ours, whoever has read them.
func quotable(s string) string {
	s = zg.OneLine(s, maxQuoted)
	return strings.TrimSpace(zg.Credential{}.Clean(s))
}

// errorObject reports whether a body is a whole JSON document with an error object that has a message, as clients of
// OpenAI and of Anthropic read it.
func errorObject(body []byte) bool {
	var outer, inner map[string]json.RawMessage // not structs: those do not mind upper case, clients do
	var message string
	return json.Unmarshal(body, &outer) == nil && json.Unmarshal(outer["error"], &inner) == nil &&
		json.Unmarshal(inner["message"], &message) == nil && message != ""
}

// refusalHeader puts among the headers of a refusal, whether its body passes as it is or not, what goes with it: the
// limits that the provider tells, the cause, and when to come back.
func (e *APIError) refusalHeader(dst, src http.Header) {
	copyResponseHeader(dst, src)
	delete(dst, "Retry-After")
	e.tell(dst)
	dst["Content-Type"] = []string{"application/json"}
}
