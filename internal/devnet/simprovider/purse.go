package simprovider

import (
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// purse holds what requests have cost and no settlement has taken yet, a row each, as the database of a real provider
// does.
type purse struct {
	now      func() time.Time
	release  int        // every so many rows one is never settled; 0: none
	settling sync.Mutex // one settlement at a time
	mu       sync.Mutex
	count    int // rows ever
	rows     map[common.Address][]row
	held     map[common.Address]zg.Neuron // reserves of requests and jobs under way, which are claimed and never taken
	billed   map[common.Address]zg.Neuron // ever
	released map[common.Address]zg.Neuron // of that: given up
}

// row is what is left to take for one request.
type row struct {
	fee   zg.Neuron
	at    time.Time
	never bool // it is deleted with the next settlement instead of being taken
}

func newPurse(cfg Config) *purse {
	return &purse{
		now: cfg.Now, release: cfg.ReleaseEvery, rows: make(map[common.Address][]row), held: make(map[common.Address]zg.Neuron),
		billed: make(map[common.Address]zg.Neuron), released: make(map[common.Address]zg.Neuron),
	}
}

// owed is what user is told to owe, and what its sub-account has to cover.
func (b *purse) owed(user common.Address) zg.Neuron {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := b.held[user]
	for _, r := range b.rows[user] {
		sum = sum.Add(r.fee)
	}
	return sum
}

// due is what a settlement takes of user.
func (b *purse) due(user common.Address) (sum zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows[user] {
		if !r.never {
			sum = sum.Add(r.fee)
		}
	}
	return sum
}

func (b *purse) add(user common.Address, fee zg.Neuron) { b.replace(user, zg.Neuron{}, fee) }

// replace puts a fee in the place of the reserve that is on a row. There is no moment at which neither is.
func (b *purse) replace(user common.Address, reserve, fee zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[user] = b.held[user].Sub(reserve)
	if fee.IsZero() {
		return
	}
	b.count++
	b.rows[user] = append(b.rows[user], row{fee: fee, at: b.now(), never: b.release > 0 && b.count%b.release == 0})
	b.billed[user] = b.billed[user].Add(fee)
}

// hold writes the reserve of a request on its row until it is freed.
func (b *purse) hold(user common.Address, reserve zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[user] = b.held[user].Add(reserve)
}

func (b *purse) free(user common.Address, reserve zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[user] = b.held[user].Sub(reserve)
}

// take deletes what was taken on chain, the oldest rows first.
func (b *purse) take(user common.Address, fee zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.rows[user][:0]
	for _, r := range b.rows[user] {
		if !r.never {
			part := fee.Min(r.fee)
			fee, r.fee = fee.Sub(part), r.fee.Sub(part)
		}
		if !r.fee.IsZero() {
			kept = append(kept, r)
		}
	}
	b.put(user, kept)
}

// put replaces the rows of user. The lock is held.
func (b *purse) put(user common.Address, rows []row) {
	if b.rows[user] = rows; len(rows) == 0 {
		delete(b.rows, user)
	}
}

// drop gives up the rows that no settlement takes: those that never are, and with an age those that are older.
func (b *purse) drop(age time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for user, rows := range b.rows {
		kept := rows[:0]
		for _, r := range rows {
			if r.never || age > 0 && now.Sub(r.at) >= age {
				b.released[user] = b.released[user].Add(r.fee)
				continue
			}
			kept = append(kept, r)
		}
		b.put(user, kept)
	}
}

// forgive gives up all rows of user.
func (b *purse) forgive(user common.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows[user] {
		b.released[user] = b.released[user].Add(r.fee)
	}
	delete(b.rows, user)
}

// debtors lists who owes something, in the order of their addresses.
func (b *purse) debtors() []common.Address {
	b.mu.Lock()
	defer b.mu.Unlock()
	users := make([]common.Address, 0, len(b.rows))
	for u := range b.rows {
		users = append(users, u)
	}
	slices.SortFunc(users, common.Address.Cmp)
	return users
}

// Unsettled is what user is told to owe: for finished requests, and with ReserveOnRow for those under way.
func (p *Provider) Unsettled(user common.Address) zg.Neuron { return p.purse.owed(user) }

// Billed is all that finished requests of user have ever cost, taken or not.
func (p *Provider) Billed(user common.Address) zg.Neuron {
	p.purse.mu.Lock()
	defer p.purse.mu.Unlock()
	return p.purse.billed[user]
}

// Released is how much of what was billed to user was given up, so that nothing will be taken for it.
func (p *Provider) Released(user common.Address) zg.Neuron {
	p.purse.mu.Lock()
	defer p.purse.mu.Unlock()
	return p.purse.released[user]
}

// Forgive gives up what user owes.
func (p *Provider) Forgive(user common.Address) { p.purse.forgive(user) }

// Bill adds to what user owes, as if a request had cost it: what a dishonest provider does.
func (p *Provider) Bill(user common.Address, fee zg.Neuron) { p.purse.add(user, fee) }
