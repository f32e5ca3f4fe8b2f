package billing

import (
	"database/sql/driver"
	"fmt"
	"maps"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// total is one row of the totals table.
type total struct {
	fees     zg.Neuron
	requests int64
}

// spending is one row of the spending table.
type spending struct {
	quarter  int64
	provider common.Address
}

// sums are those of what is no longer open, which the store keeps beside the rows. They belong to the writer's
// goroutine.
type sums struct {
	totals  map[common.Address]total
	touched map[common.Address]total // of the transaction under way
	added   map[spending]total       // of the transaction under way, on top of the table's rows
	spent   map[spending]total       // what the table has, as far as it was written lately
	stale   bool                     // a commit failed, and may have taken effect all the same
}

func newSums() sums {
	return sums{touched: make(map[common.Address]total), added: make(map[spending]total), spent: make(map[spending]total)}
}

// beginSums prepares for a transaction.
func (t *sums) beginSums(db *session) error {
	clear(t.touched)
	clear(t.added)
	if !t.stale {
		return nil
	}
	clear(t.spent)
	if err := t.readSums(db); err != nil {
		return err
	}
	t.stale = false
	return nil
}

// readSums takes the totals from the store.
func (t *sums) readSums(db *session) error {
	t.totals = make(map[common.Address]total)
	return db.query(`SELECT provider, fees, requests FROM totals`, func(row []driver.Value) error {
		p, fees, err := providerAmount(row)
		n, _ := row[2].(int64)
		t.totals[p] = total{fees: fees, requests: n}
		return err
	})
}

// count adds one finished request to the sums of the transaction under way. It cannot fail, so that a task may call it
// last.
func (t *sums) count(p common.Address, fee zg.Neuron, q int64) {
	sum, ok := t.touched[p]
	if !ok {
		sum = t.totals[p]
	}
	t.touched[p] = total{fees: sum.fees.Add(fee), requests: sum.requests + 1}
	key := spending{q, p}
	sum = t.added[key]
	t.added[key] = total{fees: sum.fees.Add(fee), requests: sum.requests + 1}
}

// fees are those of a provider's requests that are no longer open, as the transaction under way sees them.
func (t *sums) fees(p common.Address) zg.Neuron {
	if sum, ok := t.touched[p]; ok {
		return sum.fees
	}
	return t.totals[p].fees
}

// writeSums writes the sums that the transaction under way has changed.
func (t *sums) writeSums(db *session) error {
	for p, sum := range t.touched {
		if _, err := db.exec(`INSERT INTO totals (provider, fees, requests) VALUES (?, ?, ?)
			ON CONFLICT (provider) DO UPDATE SET fees = excluded.fees, requests = excluded.requests`,
			p.Hex(), sum.fees.String(), sum.requests); err != nil {
			return fmt.Errorf("write totals: %w", err)
		}
	}
	for key, more := range t.added {
		sum, known := t.spent[key]
		if !known {
			var err error
			if sum, err = readSpent(db, key); err != nil {
				return fmt.Errorf("read spending: %w", err)
			}
		}
		sum = total{fees: sum.fees.Add(more.fees), requests: sum.requests + more.requests}
		t.added[key] = sum // the new row, for keepSums
		if _, err := db.exec(`INSERT INTO spending (quarter, provider, fees, requests) VALUES (?, ?, ?, ?)
			ON CONFLICT (quarter, provider) DO UPDATE SET fees = excluded.fees, requests = excluded.requests`,
			key.quarter, key.provider.Hex(), sum.fees.String(), sum.requests); err != nil {
			return fmt.Errorf("write spending: %w", err)
		}
	}
	return nil
}

func readSpent(db *session, key spending) (sum total, err error) {
	err = db.query(`SELECT fees, requests FROM spending WHERE quarter = ? AND provider = ?`, func(row []driver.Value) error {
		sum.requests, _ = row[1].(int64)
		return sum.fees.Scan(row[0])
	}, key.quarter, key.provider.Hex())
	return sum, err
}

// keepSums takes over what was written, so that the usual close reads nothing.
func (t *sums) keepSums() {
	maps.Copy(t.totals, t.touched)
	if len(t.spent) > 1024 {
		clear(t.spent) // quarters long past; one that is needed again is read
	}
	maps.Copy(t.spent, t.added)
}
