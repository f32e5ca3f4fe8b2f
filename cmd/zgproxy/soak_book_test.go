package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// settleUp waits until everything under way has ended and lets all providers settle.
func (s *soak) settleUp() {
	s.Helper()
	for _, i := range s.sims {
		p := s.net.Providers[i]
		s.eventually("finished", func() error {
			if n := p.Active(); n > 0 {
				return fmt.Errorf("%d requests at %s", n, p.Model())
			}
			return nil
		})
	}
	db := s.store()
	s.eventually("booked", func() error {
		var open int
		if err := db.QueryRowContext(s.Context(), `SELECT COUNT(*) FROM requests WHERE state = 'open'`).Scan(&open); err != nil {
			return err
		}
		if open > 0 {
			return fmt.Errorf("%d requests are open", open)
		}
		return nil
	})
	for _, i := range s.sims {
		s.settle(i)
		if rest := s.net.Providers[i].Unsettled(devnet.Wallet()); !rest.IsZero() {
			s.Errorf("%s could not take %s", s.net.Providers[i].Model(), rest)
		}
	}
}

// store opens the daemon's store for reading.
func (w *world) store() *sql.DB {
	w.Helper()
	path := (&url.URL{Path: filepath.Join(w.data, "spend.db")}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_busy_timeout=5000&_query_only=1")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = db.Close() }) // only read
	return db
}

// compare is the end of the accounts: what each provider billed, what the chain took and what the book says are one
// sum.
func (s *soak) compare() {
	s.Helper()
	db := s.store()
	for _, i := range s.sims {
		p := s.net.Providers[i]
		s.compareAnswers(db, p)
		var corrected zg.Neuron
		s.eventually("one sum for "+p.Model(), func() (err error) { // a top-up may come between two readings
			corrected, err = s.bookEqualsChain(db, p, s.opened[i], s.block)
			return err
		})
		s.Logf("%s: %s neuron billed, taken on chain, and in the book; estimates were %s too high",
			p.Model(), p.Billed(devnet.Wallet()), corrected)
	}
}

// bookEqualsChain: what a provider billed is what the chain took from its sub-account, which held so much at a block,
// and what the book says in sum and by request. Corrected is by how much estimates were too high.
func (w *world) bookEqualsChain(
	db *sql.DB, p *simprovider.Provider, opened zg.Neuron, block uint64,
) (corrected zg.Neuron, err error) {
	billed := p.Billed(devnet.Wallet())
	spent, _, err := w.net.Chain.Spending(w.Context(), devnet.Wallet(), block)
	if err != nil {
		return corrected, err
	}
	now, _, err := w.net.Chain.SubAccount(w.Context(), devnet.Wallet(), p.Address())
	if err != nil {
		return corrected, err
	}
	if taken := opened.Add(spent.By[p.Address()]).Sub(now.Balance); taken != billed {
		return corrected, fmt.Errorf("the chain took %s, the provider billed %s", taken, billed)
	}
	var debited, matched, unmatched zg.Neuron
	err = db.QueryRowContext(w.Context(), `SELECT debited, settled, corrected, unmatched FROM accounts WHERE provider = ?`,
		p.Address().Hex()).Scan(&debited, &matched, &corrected, &unmatched)
	if err != nil {
		return corrected, err
	}
	fees, perRequest, err := w.sums(db, p.Address().Hex())
	if err != nil {
		return corrected, err
	}
	if debited != billed || matched != billed || perRequest != billed || fees.Sub(corrected) != billed ||
		!unmatched.IsZero() {
		return corrected, fmt.Errorf("billed %s; on chain debited %s, matched with requests %s, %s by request, "+
			"unmatched %s; booked %s, of which corrected %s", billed, debited, matched, perRequest, unmatched, fees, corrected)
	}
	return corrected, nil
}

// sums are a provider's fees as recorded, and what was taken for its requests.
func (w *world) sums(db *sql.DB, provider string) (fees, taken zg.Neuron, err error) {
	rows, err := db.QueryContext(w.Context(),
		`SELECT COALESCE(fee, '0'), COALESCE(settled, '0') FROM requests WHERE provider = ?`, provider)
	if err != nil {
		return fees, taken, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var fee, settled zg.Neuron
		if err := rows.Scan(&fee, &settled); err != nil {
			return fees, taken, err
		}
		fees, taken = fees.Add(fee), taken.Add(settled)
	}
	return fees, taken, rows.Err()
}

// compareAnswers: an exact fee is what the provider billed for that very answer, an estimate is no less.
func (s *soak) compareAnswers(db *sql.DB, p *simprovider.Provider) {
	s.Helper()
	billed := map[string]zg.Neuron{}
	all, n := p.ExchangesSince(0)
	for _, x := range all {
		billed[x.ResKey] = x.Fee
	}
	rows, err := db.QueryContext(s.Context(), `SELECT id, basis, fee, res_key FROM requests WHERE provider = ? AND res_key IS NOT NULL`, p.Address().Hex())
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // only read
	exact, estimated := 0, 0
	for rows.Next() {
		var id, basis, key string
		var fee zg.Neuron
		if err := rows.Scan(&id, &basis, &fee, &key); err != nil {
			s.Fatal(err)
		}
		if x, ok := billed[key]; (!ok && len(all) == n) || (basis == "exact" && ok && fee != x) || fee.Less(x) {
			s.Errorf("request %s is booked at %s (%s); the provider has it at %s (%v)", id, fee, basis, x, ok)
		}
		if basis == "exact" {
			exact++
		} else {
			estimated++
		}
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	s.Logf("%s: %d answers exact, %d estimated, of %d exchanges", p.Model(), exact, estimated, n)
}
