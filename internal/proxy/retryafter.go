package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// maxWait bounds how long a caller is told to wait, whatever a provider says.
	maxWait = time.Hour
	// maxPatience is the longest wait that a client should sit out by itself. Client libraries do not believe longer ones
	// and come back at once instead.
	maxPatience = time.Minute
)

// setRetryAfter tells a caller how long to wait: in whole seconds, and in milliseconds beside them where that is less.
// 0: nothing is said.
func setRetryAfter(h http.Header, wait time.Duration) {
	if wait <= 0 {
		return
	}
	wait = min(wait, maxWait)
	h["Retry-After"] = []string{strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)}
	if wait%time.Second != 0 {
		h["Retry-After-Ms"] = []string{strconv.FormatInt(int64((wait+time.Millisecond-1)/time.Millisecond), 10)}
	}
}

// retryAfter is how long to leave a provider alone that refused: what its header says, else its words, else the time
// until a limit that is used up is full again, else a second where it only has too much to do. At most maxWait; 0:
// waiting does not help, as far as is known.
func retryAfter(h http.Header, d zg.RefusalDetail, now time.Time) time.Duration {
	wait := saidWait(h, now)
	if wait <= 0 {
		wait = d.RetryAfter
	}
	if wait <= 0 {
		switch d.Class {
		case zg.RefusalRate:
			wait = max(limitReset(h, now), time.Second)
		case zg.RefusalConcurrency, zg.RefusalTokenBudget, zg.RefusalBusy, zg.RefusalSessionExpired, zg.RefusalSessionRevoked:
			wait = time.Second
		case zg.RefusalSessionFuture: // providers look at the chain again after ten minutes at most
			wait = time.Minute
		default:
		}
	}
	return min(wait, maxWait)
}

// saidWait reads Retry-After, in seconds or as a date, and the more exact header that some servers add. 0: not said.
func saidWait(h http.Header, now time.Time) time.Duration {
	if ms, ok := number(h.Get("Retry-After-Ms")); ok {
		return scaled(ms, time.Millisecond)
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if s, ok := number(text); ok {
		return scaled(s, time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// limitReset is the longest time until one of the limits that are used up is full again. A limit whose rest is not told
// counts as used up.
func limitReset(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for _, dimension := range []string{"requests", "tokens", "images"} {
		if limit := limitOf(h, dimension, now); limit.Remaining == 0 {
			wait = max(wait, limit.Reset)
		}
	}
	return wait
}

// allowance is what rate-limit headers say of requests. Most answers have none, and every one is asked.
func allowance(h http.Header, now time.Time) route.Allowance {
	if h["X-Ratelimit-Limit-Requests"] == nil && h["Anthropic-Ratelimit-Requests-Limit"] == nil {
		return route.Allowance{}
	}
	return limitOf(h, "requests", now)
}

// limitOf reads the rate-limit headers of one dimension, in OpenAI's form or in Anthropic's.
func limitOf(h http.Header, dimension string, now time.Time) route.Allowance {
	read := func(field string) string {
		if v := h.Get("X-Ratelimit-" + field + "-" + dimension); v != "" {
			return v
		}
		return h.Get("Anthropic-Ratelimit-" + dimension + "-" + field)
	}
	return route.Allowance{Limit: count(read("limit")), Remaining: count(read("remaining")), Reset: reset(read("reset"), now)}
}

// count reads a number of things. What is below zero, as it is where more was used than allowed, or is no number, is 0.
func count(text string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// reset reads the time until a limit is full again: a length such as 1m30s, 250ms or 2, or a point in time. Between 0
// and maxWait.
func reset(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if err != nil {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			d = at.Sub(now)
		} else if s, ok := number(text); ok {
			if s > 1e9 { // no length of time: seconds since 1970
				s -= float64(now.UnixMilli()) / 1e3
			}
			d = scaled(s, time.Second)
		}
	}
	return min(max(d, 0), maxWait)
}

// number reads a decimal number that is not negative.
func number(text string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n, err == nil && n >= 0 // a NaN is not
}

// scaled is n units, at most maxWait.
func scaled(n float64, unit time.Duration) time.Duration {
	if n >= float64(maxWait/unit) {
		return maxWait
	}
	return max(time.Duration(n*float64(unit)), 0)
}
