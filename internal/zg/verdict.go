package zg

import "regexp"

// Verdict says what was shown about one answer by its response signature. The codes are stable: they are stored,
// exported and counted.
type Verdict string

// The verdicts. Only VerdictVerified and VerdictResponse say that these very bytes came from the signer.
const (
	VerdictPending     Verdict = "pending"           // not looked at yet
	VerdictVerified    Verdict = "verified"          // signer, response and request all match
	VerdictResponse    Verdict = "response-verified" // signer and response match; the provider re-encoded the request
	VerdictSignerOnly  Verdict = "signer-only"       // the signer signed something, but it can't be compared with this answer
	VerdictInvalid     Verdict = "invalid"           // wrong signer, or not these bytes
	VerdictReplayed    Verdict = "replayed"          // signer and bytes match, but the same was signed for an earlier answer
	VerdictUnavailable Verdict = "unavailable"       // there is no signature for it (any more), or it could not be judged
	VerdictNotSigned   Verdict = "not-signed"        // nothing to check: the answer carried no key, or the service does not sign
)

// Sentence says in words for people what the verdict showed and what it did not.
func (v Verdict) Sentence() string {
	switch v {
	case VerdictPending:
		return "not checked yet"
	case VerdictVerified:
		return "the provider's TEE signer signed exactly this request and this answer"
	case VerdictResponse:
		return "the provider's TEE signer signed exactly this answer; it re-encoded the request, so the request is not bound"
	case VerdictSignerOnly:
		return "the provider's TEE signer signed a text, but it cannot be compared with this answer"
	case VerdictInvalid:
		return "the signature does not belong to this answer or not to the provider's TEE signer"
	case VerdictReplayed:
		return "this very answer and its signature were given before, for an earlier request"
	case VerdictUnavailable:
		return "there was no signature that this answer could be judged by, so nothing was shown"
	case VerdictNotSigned:
		return "this answer is not signed, so nothing was verified"
	}
	return "unknown verdict"
}

var chatID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidChatID reports whether a chat ID from a peer may be put into a URL.
func ValidChatID(s string) bool { return chatID.MatchString(s) }
