package proxy

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// tooMany reports whether a provider that is busy is so because of how many requests it has, from whomever: room comes
// and goes from one moment to the next, unlike what else has a provider answer 503.
func tooMany(said string) bool { return strings.Contains(strings.ToLower(said), "too many requests") }

// saidAtAll is how long a provider wants to be left alone that takes no more requests at a time; 0: it does not say,
// and only the board can tell when there is room again.
func saidAtAll(r *refusal, d zg.RefusalDetail) time.Duration {
	if wait := saidWait(r.header, time.Now()); wait > 0 {
		return min(wait, maxWait)
	}
	return d.RetryAfter
}

// atOnce finds how many requests of a wallet at a time a refusal says that there may be.
var atOnce = regexp.MustCompile(`(?i)\bactive requests \(limit: (\d{1,4})\)`)

// toldLimit is how many requests at a time a provider says that it takes; 0: it does not say.
func toldLimit(d zg.RefusalDetail) int {
	if m := atOnce.FindStringSubmatch(d.Message); m != nil && d.Class == zg.RefusalConcurrency {
		n, _ := strconv.Atoi(m[1]) // of at most four digits
		return n
	}
	return 0
}
