package simprovider

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Naming an unknown model too often shuts a wallet out, whatever it asks for afterwards.
const (
	mismatchesAllowed = 5
	mismatchWindow    = 5 * time.Minute
	banFor            = time.Hour
)

// limiter keeps all limits of the provider.
type limiter struct {
	Limits
	now      func() time.Time
	mu       sync.Mutex
	active   int
	occupied int    // of active: requests of others, which are only made believe
	tokens   uint64 // of all chats under way, for the token budget
	wallets  map[common.Address]*walletLimits
	fetches  map[string]*bucket // of stored images, by IP address
}

type walletLimits struct {
	requests, tokens, images bucket
	active                   int
	mismatches               []time.Time
	bannedUntil              time.Time
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	return &limiter{Limits: l, now: now, wallets: make(map[common.Address]*walletLimits), fetches: make(map[string]*bucket)}
}

// bucket refills continuously up to its size. Its level may go below zero.
type bucket struct {
	perMinute, size, level float64
	at                     time.Time
}

func (b *bucket) refill(now time.Time) {
	b.level = min(b.size, b.level+b.perMinute*now.Sub(b.at).Minutes())
	b.at = now
}

// untilOne is how long it takes for the level to reach one again, in whole seconds and at least one.
func (b *bucket) untilOne() int {
	return max(1, int(math.Ceil((1-b.level)/b.perMinute*60)))
}

func (l *limiter) wallet(user common.Address) *walletLimits {
	w, ok := l.wallets[user]
	if !ok {
		full := func(perMinute, size int) bucket {
			return bucket{perMinute: float64(perMinute), size: float64(size), level: float64(size), at: l.now()}
		}
		w = &walletLimits{
			requests: full(l.RequestsPerMinute, l.Burst),
			tokens:   full(l.TokensPerMinute, l.TokensPerMinute),
			images:   full(l.ImagesPerMinute, l.ImagesPerMinute),
		}
		l.wallets[user] = w
	}
	return w
}

// enter counts a request in, whoever sent it. leave must follow when it returns nil.
func (l *limiter) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Global > 0 && l.active >= l.Global {
		return refuseWith(http.StatusServiceUnavailable, "Server is currently processing too many requests. Please try again later.")
	}
	l.active++
	return nil
}

// occupy counts requests of others in, or out again.
func (l *limiter) occupy(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active += n - l.occupied
	l.occupied = n
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
}

// enterWallet applies the limits of one wallet and writes the rate-limit headers, whose values are those from before
// this request. leaveWallet must follow when it returns nil.
func (l *limiter) enterWallet(user common.Address, d dialect, h http.Header) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, now := l.wallet(user), l.now()
	for _, b := range []struct {
		limit      int
		b          *bucket
		head, name string
	}{
		{l.RequestsPerMinute, &w.requests, "requests", "Rate limit exceeded. Please wait %d seconds (limit: %d requests/min)."},
		{l.TokensPerMinute, &w.tokens, "tokens", "Token rate limit exceeded. Please wait %d seconds (limit: %d tokens/min)."},
		{l.ImagesPerMinute, &w.images, "images", "Image rate limit exceeded. Please wait %d seconds (limit: %d images/min)."},
	} {
		if b.limit == 0 {
			continue
		}
		b.b.refill(now)
		limit, remaining, reset := d.rateHeaders(b.head)
		h.Set(limit, strconv.Itoa(b.limit))
		h.Set(remaining, strconv.Itoa(max(0, int(b.b.level))))
		h.Set(reset, d.rateReset(now, b.b.untilOne()))
		if b.b.level < 1 {
			return refuseRate(fmt.Sprintf(b.name, b.b.untilOne(), b.limit))
		}
	}
	if l.Concurrent > 0 && w.active >= l.Concurrent {
		return refuseWith(http.StatusTooManyRequests, fmt.Sprintf(
			"Too many concurrent requests. You have %d active requests (limit: %d). Please wait for some to complete.", w.active, l.Concurrent))
	}
	if left := w.bannedUntil.Sub(now); left > 0 {
		return refuseBan(left)
	}
	if l.RequestsPerMinute > 0 {
		w.requests.level--
	}
	w.active++
	return nil
}

func refuseBan(left time.Duration) *refusalError {
	return refuseWith(http.StatusTooManyRequests,
		"Rate limit exceeded: too many invalid model requests. Please try again in "+left.Round(time.Minute).String())
}

func (l *limiter) leaveWallet(user common.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wallet(user).active--
}

// charge takes what an answer used from the limits that are charged afterwards.
func (l *limiter) charge(user common.Address, tokens, images uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wallet(user)
	w.tokens.level -= float64(tokens)
	w.images.level -= float64(images)
}

// mismatch notes a request for an unknown model.
func (l *limiter) mismatch(user common.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, now := l.wallet(user), l.now()
	recent := w.mismatches[:0]
	for _, at := range w.mismatches {
		if now.Sub(at) < mismatchWindow {
			recent = append(recent, at)
		}
	}
	w.mismatches = append(recent, now)
	if len(w.mismatches) >= mismatchesAllowed {
		w.bannedUntil, w.mismatches = now.Add(banFor), nil
	}
}

// reserveTokens holds tokens of the budget that all chats share. release must be called when it returns nil.
func (l *limiter) reserveTokens(n uint64) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.TokenBudget > 0 && l.tokens+n > uint64(l.TokenBudget) {
		return nil, refuseTokenBudget(l.tokens, uint64(l.TokenBudget), n)
	}
	l.tokens += n
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tokens -= n
	}, nil
}

func refuseTokenBudget(used, budget, requested uint64) *refusalError {
	const text = "The token budget of this provider is used up"
	return refuseObject(http.StatusTooManyRequests, text, map[string]any{
		"error":       map[string]string{"message": text, "type": "rate_limit_error", "code": "token_budget_exceeded"},
		"used_tokens": used, "budget_tokens": budget, "requested_tokens": requested,
	})
}

// fetchImage applies the limit on stored images.
func (l *limiter) fetchImage(ip string) bool {
	if l.ImageFetches == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.fetches[ip]
	if !ok {
		b = &bucket{perMinute: float64(l.ImageFetches), size: float64(l.ImageFetches), level: float64(l.ImageFetches), at: l.now()}
		l.fetches[ip] = b
	}
	b.refill(l.now())
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
