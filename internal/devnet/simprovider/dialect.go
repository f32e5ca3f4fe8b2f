package simprovider

import (
	"net/http"
	"strconv"
	"time"
)

// dialect is whose words a route speaks.
type dialect int

const (
	openAI dialect = iota
	anthropic
)

const messagesPath = "/messages"

func (x *exchange) dialect() dialect {
	if x.record.Path == messagesPath {
		return anthropic
	}
	return openAI
}

// rateHeaders are the names of the headers about one of the limits per minute.
func (d dialect) rateHeaders(of string) (limit, remaining, reset string) {
	if d == anthropic {
		of = "anthropic-ratelimit-" + of
		return of + "-limit", of + "-remaining", of + "-reset"
	}
	return "x-ratelimit-limit-" + of, "x-ratelimit-remaining-" + of, "x-ratelimit-reset-" + of
}

// rateReset is when a limit lets the next request through: a number of seconds, or a time.
func (d dialect) rateReset(now time.Time, seconds int) string {
	if d == anthropic {
		return now.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
	}
	return strconv.Itoa(seconds) + "s"
}

// messageErrors are Anthropic's words for a status.
var messageErrors = map[int]string{
	http.StatusBadRequest:            "invalid_request_error",
	http.StatusUnauthorized:          "authentication_error",
	http.StatusForbidden:             "permission_error",
	http.StatusNotFound:              "not_found_error",
	http.StatusRequestEntityTooLarge: "request_too_large",
	http.StatusTooManyRequests:       "rate_limit_error",
	529:                              "overloaded_error",
}

// messageError is an error in Anthropic's dialect.
func messageError(status int, message string) []byte {
	kind, ok := messageErrors[status]
	if !ok {
		kind = "api_error"
	}
	return encode(map[string]any{"type": "error", "error": map[string]string{"type": kind, "message": message}})
}
