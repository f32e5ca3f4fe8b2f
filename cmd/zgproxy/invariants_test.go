package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	_ "modernc.org/sqlite" // the driver "sqlite" of database/sql

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// crashes is a daemon that is killed again and again, and what is known of it from outside.
type crashes struct {
	*world
	binary, home string
	providers    []*simprovider.Provider
	speech       *simprovider.Provider // of them, the one with recordings …
	films        *simprovider.Provider // … and the one with videos
	last         *process

	cap        zg.Neuron // what may be transferred in all
	spent      simchain.Spending
	block      uint64 // up to which spent is read
	firstBlock uint64
	firstNonce uint64
	opened     map[common.Address]zg.Neuron // what was in the sub-accounts then

	mu       sync.Mutex
	answered []string // ids of answers that began since the last check
	seenEnds int      // of videos

	db        *sql.DB
	newest    int64              // key of the newest request that was checked
	books     map[string]*bookOf // by provider
	byKey     map[string]booked  // all answers whose keys are on record: a video is billed long after its request
	seen      map[string]int     // exchanges read, by provider
	ready     []time.Duration
	kills     int
	records   int
	abandoned int
	cut       int // uploads that were broken off, and free
	bound     int // rounds in which the cap was reached
	strangers strangers
}

// booked is a request as it is on record.
type booked struct {
	basis      string
	fee, bound zg.Neuron
}

// bookOf is a fold over one provider's requests, and over what it billed.
type bookOf struct {
	fees     zg.Neuron
	requests int64
	loose    int       // requests that ended without our seeing the answer's key …
	looseSum zg.Neuron // … and their bounds
	extra    int       // requests the provider billed for which no answer with their key is on record …
	extraSum zg.Neuron // … and what it billed
}

// transfersPerDay is the cap on transfers.
func transfersPerDay(n zg.Neuron) []string {
	return []string{"ZGPROXY_BUDGET_TRANSFERS_DAY=" + n.String() + " neuron"}
}

func (c *crashes) begin() {
	c.Helper()
	var err error
	ctx := c.Context()
	if c.block, err = c.net.Chain.Client().BlockNumber(ctx); err != nil {
		c.Fatal(err)
	}
	c.firstBlock = c.block
	if c.firstNonce, err = c.net.Chain.Client().NonceAt(ctx, devnet.Wallet(), nil); err != nil {
		c.Fatal(err)
	}
	for _, p := range c.providers {
		a, _, err := c.net.Chain.SubAccount(ctx, devnet.Wallet(), p.Address())
		if err != nil {
			c.Fatal(err)
		}
		c.opened[p.Address()] = a.Balance
	}
	path := (&url.URL{Path: filepath.Join(c.data, "spend.db")}).EscapedPath()
	if c.db, err = sql.Open("sqlite", "file:"+path+"?mode=ro&_busy_timeout=5000&_query_only=1"); err != nil {
		c.Fatal(err)
	}
	c.db.SetMaxIdleConns(0)                // nothing of it may be open when the daemon dies: the next one has to repair the file
	c.Cleanup(func() { _ = c.db.Close() }) // only read
}

// read brings what the chain says up to date.
func (c *crashes) read() {
	c.Helper()
	s, block, err := c.net.Chain.Spending(c.Context(), devnet.Wallet(), c.block)
	if err != nil {
		c.Fatalf("read the chain: %v", err)
	}
	c.block = block
	c.spent.Transactions += s.Transactions
	c.spent.Failed += s.Failed
	c.spent.Transfers, c.spent.Deposits = c.spent.Transfers.Add(s.Transfers), c.spent.Deposits.Add(s.Deposits)
	c.spent.Hashes = append(c.spent.Hashes, s.Hashes...)
}

// allow lets the next life of the daemon transfer so much more than was transferred until now. The cap is never lowered:
// what the last life signed may still be mined.
func (c *crashes) allow(more zg.Neuron) {
	c.read()
	c.cap = c.cap.Max(c.spent.Transfers.Add(more))
}

// checkCap: nothing above the cap is ever moved.
func (c *crashes) checkCap(when string) {
	c.Helper()
	c.read()
	if c.cap.Less(c.spent.Transfers) || c.spent.Deposits != c.strangers.deposits {
		c.Fatalf("%s: %s 0G were transferred and %s deposited, %s may be", when, c.spent.Transfers.Og(), c.spent.Deposits.Og(), c.cap.Og())
	}
	if c.atCap() {
		c.bound++
	}
}

// atCap reports whether less is left than any transfer takes.
func (c *crashes) atCap() bool {
	return c.cap.Sub(c.spent.Transfers).Less(zg.OneOG.MulDiv(1, 2))
}

// check compares the store, the chain and the providers. It belongs after a start and before the first request.
func (c *crashes) check(p *process) {
	c.Helper()
	for _, sim := range c.providers {
		c.poll("finished by "+sim.Model(), p, func() error {
			if n := sim.Active(); n > 0 {
				return fmt.Errorf("%d requests", n)
			}
			return nil
		})
	}
	c.checkRequests()
	c.checkTotals()
	c.poll("a journal that equals the chain", p, c.journalEqualsChain)
	c.checkCap("after the restart")
	c.integrity(len(c.ready)%50 == 1)
	// The ledger never runs dry; only the cap holds transfers back.
	available, err := c.net.Chain.Available(c.Context(), devnet.Wallet())
	if err != nil {
		c.Fatal(err)
	}
	if available.Less(zg.OneOG.Mul(20)) {
		if err := c.net.Chain.DepositFor(c.Context(), devnet.Wallet(), zg.OneOG.Mul(100)); err != nil {
			c.Fatal(err)
		}
	}
}

// checkRequests: every request is on record once and in a final state, and whatever a provider billed is among them.
func (c *crashes) checkRequests() {
	c.Helper()
	rows, err := c.db.QueryContext(c.Context(), `SELECT opened_at, id, state, COALESCE(basis, ''), provider, bound,
		COALESCE(fee, ''), COALESCE(res_key, ''), COALESCE(request_bytes, 0) FROM requests WHERE opened_at > ? ORDER BY opened_at`, c.newest)
	if err != nil {
		c.Fatalf("read the store: %v", err)
	}
	defer func() { _ = rows.Close() }() // only read
	ids := map[string]bool{}
	whole := int64(len(uploadForm(c.speech.Model())))
	for rows.Next() {
		var id, state, basis, provider, key, fee string
		var sent int64
		var r booked
		if err := rows.Scan(&c.newest, &id, &state, &basis, &provider, &r.bound, &fee, &key, &sent); err != nil {
			c.Fatalf("read the store: %v", err)
		}
		if state == "open" || fee == "" || basis == "" {
			c.Fatalf("after the restart request %s is %s, fee %q, basis %q", id, state, fee, basis)
		}
		if err := r.fee.Scan(fee); err != nil {
			c.Fatal(err)
		}
		if ids[id] {
			c.Fatalf("request %s is there twice", id)
		}
		ids[id], r.basis = true, basis
		b := c.books[provider]
		b.fees, b.requests = b.fees.Add(r.fee), b.requests+1
		c.records++
		if state == "abandoned" {
			c.abandoned++
		}
		if r.bound.Less(r.fee) {
			c.Fatalf("request %s is booked at %s, its bound is %s", id, r.fee, r.bound)
		}
		if provider == c.speech.Address().Hex() && state != "abandoned" && sent < whole {
			if c.cut++; !r.fee.IsZero() {
				c.Fatalf("upload %s, of which %d bytes of %d had gone out, is booked at %s", id, sent, whole, r.fee)
			}
		}
		switch {
		case key != "":
			c.byKey[key] = r
		case !r.fee.IsZero():
			b.loose, b.looseSum = b.loose+1, b.looseSum.Add(r.bound)
		}
	}
	if err := rows.Err(); err != nil {
		c.Fatalf("read the store: %v", err)
	}
	c.mu.Lock()
	for _, id := range c.answered {
		if !ids[id] {
			c.Errorf("a caller got an answer to %s, of which nothing is on record", id)
		}
	}
	c.answered = nil
	c.mu.Unlock()

	for _, p := range c.providers {
		name := p.Address().Hex()
		b := c.books[name]
		fresh, n := p.ExchangesSince(c.seen[name])
		c.seen[name] = n
		for _, x := range fresh {
			if x.Fee.IsZero() {
				continue
			}
			r, ok := c.byKey[x.ResKey]
			switch {
			case !ok: // the answer, if any, was not seen to its end
				b.extra, b.extraSum = b.extra+1, b.extraSum.Add(x.Fee)
			case r.basis == "exact" && r.fee != x.Fee:
				c.Errorf("answer %s is booked at %s, the provider billed %s", x.ResKey, r.fee, x.Fee)
			case r.fee.Less(x.Fee):
				c.Errorf("answer %s is booked at %s (%s), less than the %s billed", x.ResKey, r.fee, r.basis, x.Fee)
			}
		}
		if b.loose < b.extra || b.looseSum.Less(b.extraSum) {
			c.Errorf("%s billed %d requests (%s) whose answers nobody saw; on record are %d of them (%s)", name, b.extra, b.extraSum, b.loose, b.looseSum)
		}
		if billed := p.Billed(devnet.Wallet()); b.fees.Less(billed) {
			c.Errorf("%s billed %s in all, the book says %s", name, billed, b.fees)
		}
	}
	if c.Failed() {
		c.FailNow()
	}
}

// checkTotals: the sums that are kept equal a fold over the rows.
func (c *crashes) checkTotals() {
	c.Helper()
	rows, err := c.db.QueryContext(c.Context(), `SELECT provider, fees, requests FROM totals`)
	if err != nil {
		c.Fatalf("read the totals: %v", err)
	}
	defer func() { _ = rows.Close() }() // only read
	for rows.Next() {
		var name string
		var fees zg.Neuron
		var n int64
		if err := rows.Scan(&name, &fees, &n); err != nil {
			c.Fatalf("read the totals: %v", err)
		}
		if b := c.books[name]; b.fees != fees || b.requests != n {
			c.Fatalf("totals of %s: %s in %d requests; the rows say %s in %d", name, fees, n, b.fees, b.requests)
		}
	}
	if err := rows.Err(); err != nil {
		c.Fatalf("read the totals: %v", err)
	}
}

// journalEqualsChain: what was signed was sent once at most, and what was mined was signed by us.
func (c *crashes) journalEqualsChain() error {
	rows, err := c.db.QueryContext(c.Context(),
		`SELECT j.state, j.amount, j.nonce, t.hash FROM journal j LEFT JOIN journal_txs t ON t.entry_id = j.id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // only read
	known, nonces, superseded := map[string]bool{}, map[int64]bool{}, map[int64]bool{}
	var moved zg.Neuron
	for rows.Next() {
		var state, hash string
		var amount zg.Neuron
		var nonce int64
		if err := rows.Scan(&state, &amount, &nonce, &hash); err != nil {
			return err
		}
		known[strings.ToLower(hash)] = true
		switch {
		case state == "signed":
			return fmt.Errorf("nonce %d is still %s", nonce, state)
		case state == "superseded":
			superseded[nonce] = true
			continue
		case state == "mined" && !nonces[nonce]:
			moved = moved.Add(amount)
		}
		nonces[nonce] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	f, err := readForeign(c.Context(), c.db) // after the journal: the two change together
	if err != nil {
		return err
	}
	if f.unnamed > 0 {
		return fmt.Errorf("of %d transactions from elsewhere nobody knows what they did", f.unnamed)
	}
	for nonce := range superseded { // somebody else was faster
		if !f.nonces[nonce] {
			c.Fatalf("nonce %d was taken for somebody else's", nonce)
		}
	}
	c.read()
	var entries int
	if err := c.db.QueryRowContext(c.Context(), `SELECT COUNT(*) FROM journal WHERE state != 'superseded'`).Scan(&entries); err != nil {
		return err
	}
	nonce, err := c.net.Chain.Client().NonceAt(c.Context(), devnet.Wallet(), nil)
	if err != nil {
		return err
	}
	for _, h := range c.spent.Hashes {
		hash := strings.ToLower(h.Hex())
		if known[hash] == f.hashes[hash] {
			return fmt.Errorf("transaction %s was mined; in the journal: %v, from elsewhere: %v", h, known[hash], f.hashes[hash])
		}
	}
	all := entries + len(f.hashes)
	if moved.Add(f.transfers) != c.spent.Transfers || f.deposits != c.spent.Deposits ||
		entries != len(nonces) || c.spent.Transactions != all || nonce != c.firstNonce+uint64(all) {
		return fmt.Errorf("the journal has %d entries with %d nonces that moved %s, and %d from elsewhere moved %s; "+
			"on chain %d transactions moved %s and the nonce went from %d to %d",
			entries, len(nonces), moved, len(f.hashes), f.transfers, c.spent.Transactions, c.spent.Transfers,
			c.firstNonce, nonce)
	}
	c.checkElsewhere(entries + len(superseded))
	return nil
}

// integrity asks the database itself.
func (c *crashes) integrity(whole bool) {
	c.Helper()
	pragma := "PRAGMA quick_check"
	if whole {
		pragma = "PRAGMA integrity_check"
	}
	var said string
	if err := c.db.QueryRowContext(c.Context(), pragma).Scan(&said); err != nil || said != "ok" {
		c.Fatalf("%s: %v", pragma, errors.Join(err, errors.New(said)))
	}
}

// bigOf is a number of the chain's library.
func bigOf(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
