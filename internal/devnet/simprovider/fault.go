package simprovider

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// FaultKind names one way for a provider to go wrong.
type FaultKind string

// What can go wrong with an inference request. A place in the answer (After) counts events of a stream, or quarters of
// another body.
const (
	NoFault FaultKind = ""

	// SlowFirstByte waits Delay before the status line, or without a Delay until the client leaves.
	SlowFirstByte FaultKind = "slow-first-byte"
	// Stall pauses for Delay after After events, or without a Delay until the client leaves; then goes on.
	Stall FaultKind = "stall"
	// Truncate ends the answer after After events, a stream as if it were complete. A stream is billed by counting words,
	// one of messages by the usage that it began with.
	Truncate FaultKind = "truncate"
	// GarbageSSE puts events that are no JSON, a comment, a nonsensical usage and a very long line after After events.
	GarbageSSE FaultKind = "garbage-sse"
	// MidStreamError appends a bare JSON error, or Body as it is, after After events and ends. A stream is billed as a
	// truncated one is.
	MidStreamError FaultKind = "mid-stream-error"
	// ResetBeforeHeaders cuts the connection without an answer; nothing is billed.
	ResetBeforeHeaders FaultKind = "reset-before-headers"
	// ResetMidStream cuts the connection after After events; the whole answer is billed.
	ResetMidStream FaultKind = "reset-mid-stream"
	// Gzip compresses the answer although identity was asked for. The signature is over the compressed bytes.
	Gzip FaultKind = "gzip"

	// Trickle sends the answer byte by byte, each after Delay.
	Trickle FaultKind = "trickle"
	// HeaderFlood puts Bytes (1 MiB) of headers of no meaning on the answer, in After lines of the same length; without an
	// After, in lines of one KiB.
	HeaderFlood FaultKind = "header-flood"
	// DieBeforeFirstByte kills the provider, as Kill does, once it has read the request.
	DieBeforeFirstByte FaultKind = "die-before-first-byte"

	// WrongUsage reports Body as it is, or Usage, or twice the truth without either; the truth is billed.
	WrongUsage FaultKind = "wrong-usage"
	// NoUsage leaves usage out although it was asked for; billed by counting words.
	NoUsage FaultKind = "no-usage"
	// ZeroUsage reports Body, or a usage of zeros, at the end of a chat; billed by counting words, like one without usage.
	ZeroUsage FaultKind = "zero-usage"
	// QuotedDuration writes the length of a verbose transcription in quotes, beside no usage; billed by that length.
	QuotedDuration FaultKind = "quoted-duration"
	// FeeTold tells, in X-0G-Fee, the lines of Body, each as a header of its own, and no fee without a Body, as older
	// brokers do. The truth is billed.
	FeeTold FaultKind = "fee-told"
	// FeeOther bills sound at three neuron more than its length, and tells so.
	FeeOther FaultKind = "fee-other"
	// UsageEachChunk puts the usage so far on every event of a chat's stream.
	UsageEachChunk FaultKind = "usage-each-chunk"
	// CachedUsage reports half of the prompt as read from the cache, and bills it so. Messages also report two eighths as
	// written to it, for five minutes and for an hour.
	CachedUsage FaultKind = "cached-usage"

	// SignatureMissing announces a signature that is never found.
	SignatureMissing FaultKind = "signature-missing"
	// SignatureNoKey leaves the ZG-Res-Key header out.
	SignatureNoKey FaultKind = "signature-no-key"
	// SignatureWrongSigner signs with some other key.
	SignatureWrongSigner FaultKind = "signature-wrong-signer"
	// SignatureOtherBytes signs a digest of something else than the answer.
	SignatureOtherBytes FaultKind = "signature-other-bytes"
	// SignatureReplayed serves the good signature of an earlier chat.
	SignatureReplayed FaultKind = "signature-replayed"
	// SignatureLate makes the signature appear Delay after the answer; without a Delay, one second.
	SignatureLate FaultKind = "signature-late"

	// Altered is tampering: an answer, or what is said about it, changes after it was made. Alter says what.
	Altered FaultKind = "altered"
	// AnswerKept answers as usual and keeps the answer.
	AnswerKept FaultKind = "answer-kept"
	// AnswerReplayed gives the kept answer once more, under its own key and with its own signature, whatever was asked.
	AnswerReplayed FaultKind = "answer-replayed"
	// Raw answers with the bytes in Raw, properly signed.
	Raw FaultKind = "raw"

	// ServerError answers with Status (500) and the error of a model server.
	ServerError FaultKind = "server-error"
	// IngressError answers with Status (502) and a page of HTML, before the provider has seen the request.
	IngressError FaultKind = "ingress-error"
	// Redirect answers with Status (307) and Body, or the wrong host, as the Location.
	Redirect FaultKind = "redirect"
	// Reply answers with Status (400) and the JSON in Body.
	Reply FaultKind = "reply"

	// BrokerFailure is a failure of the broker's own, which it answers with Status (400) and the string in Body, or one
	// about its database.
	BrokerFailure FaultKind = "broker-failure"
	// AccountUnread is the sentence of a missing sub-account with the words of an RPC server that could not be asked.
	AccountUnread FaultKind = "account-unread"
	// VendorError passes on a vendor's Status (402) with an object, whose message is Body, or Insufficient Balance.
	VendorError FaultKind = "vendor-error"
	// ValidationError is the 422 of a Python model server, whose detail is a list, or the JSON in Body.
	ValidationError FaultKind = "validation-error"

	// RateLimited, TooManyConcurrent, Banned, TokenBudget and UpstreamRateLimited are the shapes of 429.
	RateLimited         FaultKind = "rate-limited"
	TooManyConcurrent   FaultKind = "too-many-concurrent"
	Banned              FaultKind = "banned"
	TokenBudget         FaultKind = "token-budget"
	UpstreamRateLimited FaultKind = "upstream-rate-limited"

	// Fetched answers whatever is fetched with the bytes in Raw: a picture, a video, how far a job is.
	Fetched FaultKind = "fetched"

	// ControlHidden makes the ingress answer everything but inference and signatures with a 403 page of HTML.
	ControlHidden FaultKind = "control-hidden"
	// ControlRefused answers the same requests with Status (500) and the bytes in Body.
	ControlRefused FaultKind = "control-refused"
)

// Fault is what goes wrong, and how often.
type Fault struct {
	Kind   FaultKind
	N      int           // so many requests; 0: all until the next SetFault
	After  int           // where in the answer
	Delay  time.Duration // see the kinds
	Status int           // see the kinds
	Body   string        // see the kinds
	Source string        // of an answer other than 200: ZG-Failure-Source; empty: none, as on brokers without metrics
	Bytes  int           // see HeaderFlood
	Usage  zg.Usage      // see WrongUsage
	Alter  *Alteration   // see Altered
	Raw    *RawAnswer    // see Raw and Fetched
}

// marked is the fault that a request asks for itself: "fault:" and a kind in the last message of a chat, or in the
// prompt of a video, of which only those have an effect that spoil an answer on its way. Where requests of many sorts
// are under way at once, that says which of them go wrong.
func marked(text string) FaultKind {
	_, kind, _ := strings.Cut(text, "fault:")
	if i := strings.IndexFunc(kind, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') }); i >= 0 {
		kind = kind[:i]
	}
	return FaultKind(kind)
}

// faults hands out the present fault.
type faults struct {
	mu      sync.Mutex
	present Fault
}

func (f *faults) set(v Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.present = v
}

// take returns the fault that strikes this request. Control routes have one of their own, which inference never meets.
func (f *faults) take(control bool) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.present
	if v.Kind == NoFault || v.Kind == Fetched || (v.Kind == ControlHidden || v.Kind == ControlRefused) != control {
		return Fault{}
	}
	if v.N == 1 {
		f.present = Fault{}
	} else if v.N > 1 {
		f.present.N--
	}
	return v
}

// fetched is what is fetched in place of what is there; nil: that.
func (f *faults) fetched() *RawAnswer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.present.Kind != Fetched {
		return nil
	}
	return f.present.Raw
}

// flood writes headers that nobody needs.
func (f Fault) flood(h http.Header) {
	const kib = 1 << 10
	size := f.Bytes
	if size == 0 {
		size = kib * kib
	}
	lines := f.After
	if lines == 0 {
		lines = max(1, size/kib)
	}
	const name = "X-Flood-000000: \r\n" // as long as all of them
	value := strings.Repeat("f", max(0, size/lines-len(name)))
	for i := range lines {
		h.Set(fmt.Sprintf("X-Flood-%06d", i), value)
	}
}

const ingressPage = "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// refusal is the answer that a fault gives instead of the provider, if it is of that sort.
func (f Fault) refusal() *refusalError {
	r := f.instead()
	if r != nil && f.Source != "" {
		r.header.Set("ZG-Failure-Source", f.Source)
	}
	return r
}

func (f Fault) instead() *refusalError {
	status := func(otherwise int) int {
		if f.Status != 0 {
			return f.Status
		}
		return otherwise
	}
	switch f.Kind {
	case ServerError:
		return modelError(status(http.StatusInternalServerError), "InternalServerError", "the model server has failed")
	case IngressError:
		return refusePage(status(http.StatusBadGateway))
	case Redirect:
		r := refusePage(status(http.StatusTemporaryRedirect))
		if f.Body == "" {
			f.Body = "http://127.0.0.1:1/elsewhere"
		}
		r.header.Set("Location", f.Body)
		return r
	case Reply:
		r := refuseWith(status(http.StatusBadRequest), f.Body)
		r.body = []byte(f.Body)
		return r
	case BrokerFailure:
		return refuseWith(status(http.StatusBadRequest), cmp.Or(f.Body, "create request: create request in db: Error 1213 (40001): Deadlock found"))
	case AccountUnread:
		return refuseWith(status(http.StatusBadRequest), `validate request: get account from contract, account not exist: Post "https://rpc.example.com": dial tcp: i/o timeout`)
	case VendorError:
		return modelError(status(http.StatusPaymentRequired), "unknown_error", cmp.Or(f.Body, "Insufficient Balance"))
	case ValidationError:
		body := cmp.Or(f.Body, `{"detail":[{"type":"less_than_equal","loc":["body","temperature"],"msg":"Input should be less than or equal to 2","input":9}]}`)
		r := refuseWith(status(http.StatusUnprocessableEntity), body)
		r.body = []byte(body)
		return r
	case RateLimited:
		return refuseRate("Rate limit exceeded. Please wait 2 seconds (limit: 30 requests/min).")
	case TooManyConcurrent:
		return refuseWith(http.StatusTooManyRequests, "Too many concurrent requests. You have 5 active requests (limit: 5). Please wait for some to complete.")
	case Banned:
		return refuseBan(banFor - time.Minute)
	case TokenBudget:
		return refuseTokenBudget(90_000, 100_000, 20_000)
	case UpstreamRateLimited:
		r := refuseObject(http.StatusTooManyRequests, "upstream rate limit", map[string]any{
			"error": map[string]any{"message": "Too many requests for this model", "type": "requests", "code": "rate_limit_exceeded"},
		})
		r.message = messageError(r.status, "Too many requests for this model")
		return r
	default:
		return nil
	}
}
