package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// sendElsewhere makes a transaction of the wallet as another program with its key does: money for a provider, money for
// the ledger, or some that comes back to the wallet itself. It returns what went to the provider and into the ledger.
// With an error nothing was done: the daemon may have been faster with the nonce.
func (w *world) sendElsewhere(random *rand.Rand, to common.Address) (transferred, deposited zg.Neuron, err error) {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	amount := zg.OneOG.MulDiv(1, 4).Add(zg.NeuronOf(random.Uint64N(1_000_000_000)))
	switch random.IntN(4) {
	case 0:
		return zg.Neuron{}, zg.Neuron{}, w.net.Chain.Pay(ctx, devnet.WalletKey(), devnet.Wallet(), amount)
	case 1:
		return zg.Neuron{}, amount, w.net.Chain.Deposit(ctx, devnet.WalletKey(), amount)
	default:
		return amount, zg.Neuron{}, w.net.Chain.Transfer(ctx, devnet.WalletKey(), to, amount)
	}
}

// foreignRows are what the store has of transactions that were made elsewhere.
type foreignRows struct {
	hashes                map[string]bool // of those that are named
	nonces                map[int64]bool
	transfers, deposits   zg.Neuron
	unnamed, gone, missed int   // missed: nobody has accepted them
	lowest                int64 // nonce of those
}

func readForeign(ctx context.Context, db *sql.DB) (f foreignRows, err error) {
	f.hashes, f.nonces = map[string]bool{}, map[int64]bool{}
	rows, err := db.QueryContext(ctx, `SELECT nonce, gone, COALESCE(hash, ''), COALESCE(block, 0), kind, amount, ok,
		accepted_at IS NULL FROM foreign_txs ORDER BY nonce DESC`)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var nonce, block int64
		var gone, ok, missed bool
		var hash, kind string
		var amount zg.Neuron
		if err := rows.Scan(&nonce, &gone, &hash, &block, &kind, &amount, &ok, &missed); err != nil {
			return f, err
		}
		if missed {
			f.missed, f.lowest = f.missed+1, nonce
		}
		switch {
		case gone:
			f.gone++
			continue
		case block == 0:
			f.unnamed++
		case ok && kind == string(zg.IntentTransfer):
			f.transfers = f.transfers.Add(amount)
		case ok && kind == string(zg.IntentDeposit):
			f.deposits = f.deposits.Add(amount)
		}
		f.nonces[nonce] = true
		if block != 0 {
			f.hashes[strings.ToLower(hash)] = true
		}
	}
	return f, rows.Err()
}

// journalMoved are the hashes of all transactions that the daemon signed, and what the mined ones moved.
func journalMoved(ctx context.Context, db *sql.DB) (hashes map[string]bool, moved zg.Neuron, err error) {
	hashes = map[string]bool{}
	rows, err := db.QueryContext(ctx, `SELECT j.id, j.kind = 'transfer' AND j.state = 'mined', j.amount, t.hash
		FROM journal j JOIN journal_txs t ON t.entry_id = j.id`)
	if err != nil {
		return nil, moved, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	counted := map[int64]bool{}
	for rows.Next() {
		var id int64
		var mined bool
		var hash string
		var amount zg.Neuron
		if err := rows.Scan(&id, &mined, &amount, &hash); err != nil {
			return nil, moved, err
		}
		hashes[strings.ToLower(hash)] = true
		if mined && !counted[id] {
			counted[id], moved = true, moved.Add(amount)
		}
	}
	return hashes, moved, rows.Err()
}

// elsewhere has another program use the wallet's key, once.
func (s *soak) elsewhere(random *rand.Rand) {
	s.Helper()
	to := s.net.Providers[s.sims[random.IntN(len(s.sims))]].Address()
	s.eventually("sent from elsewhere", func() error {
		_, _, err := s.sendElsewhere(random, to)
		return err
	})
	s.strangers++
}

// noticed waits until the book knows of every transaction that was made elsewhere, no other, and what each of them did.
func (s *soak) noticed() {
	s.Helper()
	db := s.store()
	defer func() { _ = db.Close() }() // only read
	s.eventually("named: all that was made elsewhere", func() error { return s.foreignEqualsChain(db) })
}

func (s *soak) foreignEqualsChain(db *sql.DB) error {
	spent, _, err := s.net.Chain.Spending(s.Context(), devnet.Wallet(), s.block)
	if err != nil {
		return err
	}
	f, err := readForeign(s.Context(), db)
	if err != nil {
		return err
	}
	ours, moved, err := journalMoved(s.Context(), db)
	if err != nil {
		return err
	}
	found := 0
	for _, h := range spent.Hashes {
		switch hash := strings.ToLower(h.Hex()); {
		case ours[hash] && f.hashes[hash]:
			return fmt.Errorf("%s is ours, and taken for somebody else's", hash)
		case f.hashes[hash]:
			found++
		case !ours[hash]:
			return fmt.Errorf("%s was mined, and nothing is known of it", hash)
		}
	}
	transfers := moved.Add(f.transfers)
	if found != len(f.hashes) || f.unnamed > 0 || transfers != spent.Transfers || f.deposits != spent.Deposits {
		return fmt.Errorf("on chain %d transactions from elsewhere, on record %d and %d without a name; "+
			"to providers went %s by the chain, %s by the journal and %s from elsewhere; into the ledger %s and %s",
			found, len(f.hashes), f.unnamed, spent.Transfers, moved, f.transfers, spent.Deposits, f.deposits)
	}
	return nil
}

// heldUp: while what was made elsewhere is not accepted, looks go by and nothing is signed.
func (s *soak) heldUp() {
	s.Helper()
	db := s.store()
	defer func() { _ = db.Close() }() // only read
	entries := func() (all, open int) {
		err := db.QueryRowContext(s.Context(), `SELECT COUNT(*), COALESCE(SUM(state = 'signed'), 0) FROM journal`).
			Scan(&all, &open)
		if err != nil {
			s.Fatal(err)
		}
		return all, open
	}
	var before int
	s.eventually("done with what was signed before", func() error {
		all, open := entries()
		if before = all; open > 0 {
			return fmt.Errorf("%d transactions are under way", open)
		}
		return nil
	})
	last, looks := "", 0
	s.eventually("looked at three times", func() error {
		var status lagStatus
		if _, body := s.get(s.daemon.admin + "/v1/status"); json.Unmarshal([]byte(body), &status) != nil {
			return errors.New(body)
		}
		if at := status.Funding.ReadAt; at != last {
			last, looks = at, looks+1
		}
		if looks < 4 { // the first may be older
			return fmt.Errorf("%d looks", looks)
		}
		return nil
	})
	if now, _ := entries(); now != before {
		s.Errorf("%d transactions were signed while some from elsewhere were not accepted", now-before)
	}
}

// acceptElsewhere is the owner accepting it, with which top-ups go on.
func (s *soak) acceptElsewhere() {
	s.Helper()
	got := decode[walletAcceptReport](s.world, s.must(args("wallet accept --yes --json")))
	s.accepted += got.Accepted.Count
	s.eventually("accepted", func() error {
		if _, body := s.get(s.daemon.admin + "/metrics"); !strings.Contains(body, "zgproxy_foreign_transactions 0") {
			return errors.New("there still are transactions from elsewhere")
		}
		return nil
	})
}

// compareElsewhere: what was made elsewhere is on record to the neuron, and counts against the limit of the day.
func (s *soak) compareElsewhere() {
	s.Helper()
	s.noticed()
	s.acceptElsewhere()
	s.noticed()
	var spent simchain.Spending
	s.eventually("one sum of all transfers", func() (err error) {
		if spent, _, err = s.net.Chain.Spending(s.Context(), devnet.Wallet(), s.block); err != nil {
			return err
		}
		if n := s.transferred(); n != spent.Transfers {
			return fmt.Errorf("%s count against the limit, %s went to providers", n, spent.Transfers)
		}
		return nil
	})
	if s.strangers == 0 || s.accepted == 0 {
		s.Errorf("%d transactions from elsewhere, %d accepted: this shows nothing", s.strangers, s.accepted)
	}
	s.Logf("%d transactions were made elsewhere, %d accepted; "+
		"with ours %d moved %s 0G to providers and %s 0G into the ledger",
		s.strangers, s.accepted, spent.Transactions, spent.Transfers.Og(), spent.Deposits.Og())
}
