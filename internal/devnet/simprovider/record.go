package simprovider

import (
	"context"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Exchange is what a provider remembers of one inference request. Digests are lower-case hex SHA-256. A request for a
// video or for images that are made asynchronously leaves a second one with the fee when its job ends, under the path
// of the job; polls leave none.
type Exchange struct {
	Path   string // below /v1/proxy; that of an asynchronous request whole
	User   common.Address
	Model  string
	Stream bool
	// Headers are the names of the headers that came with the request, sorted, in Go's canonical form.
	Headers []string

	RequestBytes  int64
	RequestSHA256 string // of the body as received
	SignedRequest string // digest of the body as signed, after the provider's own rewriting; empty: nothing was signed

	Status         int // 0: the connection was cut before an answer
	ResKey         string
	ResponseBytes  int64  // handed to the network before the client left
	ResponseSHA256 string // of those bytes
	ClientLeft     bool   // before the answer was complete

	Usage zg.Usage  // as billed
	Fee   zg.Neuron // zero for refused requests and whitelisted wallets
	Fault FaultKind
}

// records keeps the latest exchanges and wakes those who wait for more.
type records struct {
	mu       sync.Mutex
	kept     []Exchange
	finished int
	more     chan struct{} // closed and replaced at every record
}

func newRecords() *records { return &records{more: make(chan struct{})} }

func (r *records) add(e Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) >= maxKept {
		r.kept = slices.Clone(r.kept[maxKept/2:])
	}
	r.kept = append(r.kept, e)
	r.finished++
	close(r.more)
	r.more = make(chan struct{})
}

func (r *records) all() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kept)
}

func (r *records) since(n int) ([]Exchange, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := max(0, min(r.finished-n, len(r.kept)))
	return slices.Clone(r.kept[len(r.kept)-fresh:]), r.finished
}

func (r *records) wait(ctx context.Context, n int) ([]Exchange, error) {
	for {
		r.mu.Lock()
		finished, more, kept := r.finished, r.more, r.kept
		if finished >= n {
			kept = slices.Clone(kept)
		}
		r.mu.Unlock()
		if finished >= n {
			return kept, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
