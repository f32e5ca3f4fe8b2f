package provider

import (
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Words are matched in their place only. What a broker writes of itself is a string, begins with a context and then
// says one of a few sentences; the same words elsewhere are somebody else's: a vendor's whose account is empty, those
// of an RPC server that failed, or the caller's, quoted.

// sentence is one that brokers write, in lower case.
type sentence struct {
	text  string
	whole bool // nothing follows it
	class zg.Refusal
}

// After the context "validate session: ", or without any.
var ofSession = []sentence{
	{"session token expired", true, zg.RefusalSessionExpired},
	{"session token has been revoked", false, zg.RefusalSessionRevoked},
	{"invalid session token (future generation)", true, zg.RefusalSessionFuture},
	{"missing or invalid authorization header", false, zg.RefusalSession},
}

// After the context "validate request: ", or without any; in a string only.
var ofRequest = []sentence{
	{"get account from contract, account not exist", true, zg.RefusalNoAccount},
	{"account not exist", true, zg.RefusalNoAccount},
	{"user not acknowledge the provider", true, zg.RefusalNotAcknowledged},
	{"service not acknowledge the tee signer", true, zg.RefusalSigner},
	{"insufficient balance: your locked balance is ", false, zg.RefusalBalance},
	{"model not supported", false, zg.RefusalModel},
	{"endpoint not supported", false, zg.RefusalEndpoint},
	{"request body size exceeds the maximum", false, zg.RefusalTooLarge},
	{"rate limit exceeded: too many invalid model requests", false, zg.RefusalBanned},
	{"too many concurrent requests", false, zg.RefusalConcurrency},
	{"rate limit exceeded", false, zg.RefusalRate},
}

const (
	sessionContext = "validate session: "
	requestContext = "validate request: "
)

// Contexts of what a broker does by itself, so that what fails there is never the caller's doing. Their status is 400
// all the same, which is what brokers answer where nothing else was thought of.
var innerContexts = []string{
	"create request: ", "create request in db", "get billing prices", "prepare http request: ", "read request body",
	"call proxied service: ", "get account from contract, ", "get service from contract", "get unsettled fee",
}

// Words of databases, RPC servers and networks. They count behind a context of the broker's only.
var innerWords = []string{
	"sql", "database", "gorm", "rpc", "dial tcp", "connection refused", "connection reset", "broken pipe", "i/o timeout",
	"context deadline exceeded", "context canceled", "no such host", "too many connections", "deadlock", "unexpected eof",
}

// readWords sharpens the class that a 4xx has by its status with what its words say.
func readWords(d *zg.RefusalDetail, e errorWords, text, source string) {
	rest, session := strings.CutPrefix(text, sessionContext)
	if class := match(ofSession, rest); class != "" {
		d.Class = class
		return
	}
	if session {
		d.Class = zg.RefusalSession
		return
	}
	if e.code == "token_budget_exceeded" || (e.own && strings.HasPrefix(text, "token_budget_exceeded")) {
		d.Class = zg.RefusalTokenBudget
		return
	}
	if !e.own {
		if d.Class == zg.RefusalRate && strings.HasPrefix(text, "too many concurrent requests") {
			d.Class = zg.RefusalConcurrency // whoever says it, what helps is the same
		}
		return // a model server's, behind the provider
	}
	rest, request := strings.CutPrefix(text, requestContext)
	if class := match(ofRequest, rest); class != "" {
		d.Class = class
		return
	}
	if strings.HasPrefix(rest, `model "`) && strings.Contains(rest, `" is no longer available (expired at `) {
		d.Class = zg.RefusalModelExpired
		return
	}
	if d.Class != zg.RefusalRequest {
		return
	}
	for _, c := range innerContexts {
		if strings.HasPrefix(rest, c) {
			d.Class, d.Inner = zg.RefusalUpstream, true
			return
		}
	}
	switch {
	case request && hasAny(rest, innerWords):
		d.Class, d.Inner = zg.RefusalUpstream, true
	case source == "broker" || source == "upstream" || (request && source != "client"):
		// Its own, by its own word or by where it happened. It may yet be about the request: then every provider says so, and
		// none may be taken for down because of it.
		d.Class, d.Inner, d.Doubtful = zg.RefusalUpstream, true, true
	}
}

func match(sentences []sentence, text string) zg.Refusal {
	for _, s := range sentences {
		rest, ok := strings.CutPrefix(text, s.text)
		if ok && (!s.whole || strings.Trim(rest, " .") == "") {
			return s.class
		}
	}
	return zg.RefusalNone
}

func hasAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
