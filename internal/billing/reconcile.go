package billing

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// settleWithin is how long a provider takes to settle, at most: it does so every ten minutes, and pauses for an hour
// after a settlement that was not covered.
const settleWithin = 2 * time.Hour

// duesAtOnce bounds how many requests are matched in one transaction, so that those who wait for the store wait
// briefly.
const duesAtOnce = 1000

// reading is what one look at the outside world says about a provider's sub-account.
type reading struct {
	block   uint64
	now     zg.Standing
	debits  []zg.Settlement // since the account's block
	told    bool            // events told everything that changed; else only the balance does
	ours    zg.Neuron       // transfers of ours that were mined since the account's block
	claim   zg.Neuron       // what the provider says it has not taken yet …
	claimed bool            // … if it could be asked
	quiet   bool            // no request is under way or just finished, so claim and book speak of the same
}

// settle brings accounts up to date with a reading of each: it counts debits, matches them with requests and corrects
// estimates, durably and each debit once. What a crash interrupts is done again from the accounts' blocks on.
func (s *Store) settle(readings map[common.Address]reading, now time.Time) (map[common.Address]account, error) {
	out := make(map[common.Address]account, len(readings))
	for more := true; more; {
		err := s.writer.do(false, func(db *session) error {
			more = false
			for p, r := range readings {
				a, err := db.account(p)
				if err != nil {
					return err
				}
				m := matching{account: &a, db: db, fees: s.writer.fees(p), now: now}
				if err := m.run(r, s.firstNew); err != nil {
					return fmt.Errorf("match the debits of provider %s: %w", p, err)
				}
				if err := db.saveAccount(&a); err != nil {
					return err
				}
				out[p], more = a, more || m.more
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// matching is one transaction's work on one account.
type matching struct {
	*account
	db   *session
	fees zg.Neuron // of all requests that are no longer open
	now  time.Time
	more bool // there is more to do than fits into one transaction
}

// taken is a debit that was not counted before.
type taken struct {
	tx     string
	amount zg.Neuron
}

// notAged is before everything.
const notAged = 0

func (m *matching) run(r reading, firstNew int64) (err error) {
	var news []taken
	switch {
	case m.block == 0:
		err = m.begin(r, firstNew)
	case r.block < m.block:
	case r.told:
		news, err = m.count(r.debits)
	default:
		news, err = m.guess(r)
	}
	if err != nil {
		return err
	}
	if r.block >= m.block {
		m.block, m.balance, m.pending = r.block, r.now.Balance, r.now.PendingRefund
	}
	return m.reconcile(news, r)
}

// begin is the first look at an account: what is owed now was owed before matching began. Requests of earlier processes
// are not matched; those of this one are.
func (m *matching) begin(r reading, firstNew int64) error {
	m.before, m.through = m.fees, firstNew-1
	err := m.db.query(`SELECT fee FROM requests WHERE opened_at >= ? AND provider = ? AND state != 'open'`, func(row []driver.Value) error {
		var fee zg.Neuron
		err := fee.Scan(row[0])
		m.before = m.before.Sub(fee)
		return err
	}, firstNew, m.provider.Hex())
	allowance := m.before
	if r.claimed {
		allowance = r.claim.Sub(m.fees.Sub(m.before))
	}
	m.carried = allowance.Min(r.now.Balance.Sub(r.now.PendingRefund))
	if r.claimed {
		m.lent = m.carried
	}
	return err
}

// count records debits, each once however often it is seen, and again one that was undone.
func (m *matching) count(debits []zg.Settlement) (news []taken, err error) {
	for _, d := range debits {
		if d.Block <= m.block {
			continue
		}
		fresh, err := m.insert(d.Tx.Hex(), int64(d.Index), d.Amount, d.Block)
		if err != nil {
			return nil, err
		}
		if fresh {
			news = append(news, taken{d.Tx.Hex(), d.Amount})
		}
	}
	return news, nil
}

func (m *matching) insert(tx string, index int64, amount zg.Neuron, block uint64) (fresh bool, err error) {
	n, err := m.db.exec(`INSERT INTO settlements (tx, log_index, provider, amount, block, seen_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (tx, log_index) DO UPDATE SET block = excluded.block, seen_at = excluded.seen_at, undone = 0 WHERE undone = 1`, tx, index, m.provider.Hex(), amount.String(), int64(block), micros(m.now))
	return n == 1, err
}

// guess infers a debit from the balance where no event tells of it. Where a refund was asked for or paid out at the
// same time there is no telling the two apart, and nothing is inferred.
func (m *matching) guess(r reading) ([]taken, error) {
	if r.now.PendingRefund != m.pending {
		return nil, nil
	}
	expected := m.balance.Add(r.ours)
	amount := expected.Sub(r.now.Balance)
	if amount.IsZero() {
		// More than there should be: somebody else's transfer, or a debit that was undone. Only the latter concerns the book.
		back := r.now.Balance.Sub(expected)
		m.undo(back)
		return nil, m.markUndone(back)
	}
	fresh, err := m.insert(fmt.Sprintf("balance of %s at block %d: %s", m.provider.Hex(), r.block, r.now.Balance), -1, amount, r.block)
	if err != nil || !fresh {
		return nil, err
	}
	return []taken{{amount: amount}}, nil
}

// reconcile corrects estimates and matches debits with requests, as many as fit into one transaction.
func (m *matching) reconcile(news []taken, r reading) error {
	before := *m.account
	for _, n := range news {
		m.debit(n.amount)
	}
	correct := r.quiet && r.claimed
	if m.unmatched.IsZero() && (!correct || m.excess(m.fees, r.claim).IsZero()) {
		return nil
	}
	dues, free, full, open, err := m.db.dues(m.provider, m.through, m.now)
	if err != nil {
		return err
	}
	m.through = max(m.through, free)
	if correct {
		if err := m.save(m.correct(m.excess(m.fees, r.claim), dues), ""); err != nil {
			return err
		}
		if err := m.save(m.release(m.excess(m.fees, r.claim), dues, micros(m.now.Add(-settleWithin))), ""); err != nil {
			return err
		}
	}
	aged := int64(notAged)
	if len(news) > 0 && !r.now.Balance.IsZero() { // a debit that emptied the account may have wanted more
		aged = micros(m.now.Add(-settleWithin))
	}
	if len(news) == 0 { // a request was closed after the debit that was for it
		tx, err := m.db.lastSettlement(m.provider)
		if err != nil {
			return err
		}
		news = []taken{{tx: tx}}
	}
	// Each debit is matched by itself, so that each request is said to be settled by the right one.
	m.unmatched = before.unmatched
	for _, n := range news {
		m.unmatched = m.unmatched.Add(n.amount)
		var done []matched
		if done, dues = m.match(dues, aged); len(done) > 0 {
			if err := m.save(done, n.tx); err != nil {
				return err
			}
		}
	}
	m.more = m.more || (full && m.through > before.through)
	if !full && !open { // else there may be a request to match it with
		m.carry(m.unsettled(m.fees))
	}
	return nil
}

func (m *matching) save(changes []matched, tx string) error {
	for _, c := range changes {
		query := `UPDATE requests SET settled = ?, settlement = ? WHERE opened_at = ? AND state IN ('closed', 'abandoned')`
		if c.settled {
			query = `UPDATE requests SET settled = ?, settlement = ?, state = 'settled' WHERE opened_at = ? AND state IN ('closed', 'abandoned')`
		}
		if _, err := m.db.exec(query, c.amount.String(), text(tx), c.key); err != nil {
			return err
		}
	}
	return nil
}

// lastSettlement is the newest debit by a provider that an event told of; empty if there is none.
func (db *session) lastSettlement(p common.Address) (tx string, err error) {
	err = db.query(`SELECT tx FROM settlements WHERE provider = ? AND log_index >= 0 AND undone = 0 ORDER BY block DESC, log_index DESC LIMIT 1`, func(row []driver.Value) error {
		tx, _ = row[0].(string)
		return nil
	}, p.Hex())
	return tx, err
}

const duesQuery = `SELECT opened_at, state, basis, fee, settled, closed_at, COALESCE(job_until, 0) FROM requests
	WHERE opened_at > ? AND provider = ? AND state != 'settled' ORDER BY opened_at LIMIT ?`

// dues are a provider's oldest closed requests that no debit was matched with. They end where a request is still open:
// it is older than what follows, and blocked says so. free is the key of the last request before the first due one that
// cost nothing; more says that there are more than fit into one transaction.
//
// Jobs under way are left out: nothing is taken or claimed for them yet, so they keep nobody else's debit waiting.
//
// What is settled is not read: behind a job that lasts, there may be any number of those. The index requests_due has
// the rest.
func (db *session) dues(p common.Address, after int64, now time.Time) (out []due, free int64, more, blocked bool, err error) {
	var rows int
	var job bool // one is under way before what follows
	err = db.query(duesQuery, func(row []driver.Value) error {
		rows++
		state, _ := row[1].(string)
		if blocked = blocked || state == "open"; blocked {
			return nil
		}
		d := due{behind: job}
		d.key, _ = row[0].(int64)
		d.closed, _ = row[5].(int64)
		until, _ := row[6].(int64)
		if until > micros(now) {
			job = true
			return nil
		}
		d.closed = max(d.closed, until)
		basis, _ := row[2].(string)
		if err := d.fee.Scan(row[3]); err != nil {
			return fmt.Errorf("the fee of request %d: %w", d.key, err)
		}
		d.expected, d.estimated = d.fee, basis == string(zg.FeeEstimated) && row[4] == nil
		if row[4] != nil {
			if err := d.expected.Scan(row[4]); err != nil {
				return fmt.Errorf("what was settled of request %d: %w", d.key, err)
			}
		}
		if d.fee.IsZero() {
			if len(out) == 0 && !job {
				free = d.key
			}
			return nil
		}
		out = append(out, d)
		return nil
	}, after, p.Hex(), int64(duesAtOnce))
	return out, free, rows == duesAtOnce && !blocked, blocked, err
}

const accountColumns = `block, balance, pending, carried, debited, settled, corrected, unmatched, settled_through, accepted, reserve, before, lent`

// account reads one row; a provider that was never looked at has an empty one.
func (db *session) account(p common.Address) (account, error) {
	a := account{provider: p}
	err := db.query(`SELECT `+accountColumns+` FROM accounts WHERE provider = ?`, func(row []driver.Value) error {
		return a.scan(row)
	}, p.Hex())
	if err != nil {
		return a, fmt.Errorf("read where matching stands: %w", err)
	}
	return a, nil
}

// scan reads the columns of accountColumns.
func (a *account) scan(row []driver.Value) error {
	block, _ := row[0].(int64)
	a.block = uint64(block)
	a.through, _ = row[8].(int64)
	var errs []error
	for i, into := range map[int]*zg.Neuron{
		1: &a.balance, 2: &a.pending, 3: &a.carried, 4: &a.debited, 5: &a.settled, 6: &a.corrected, 7: &a.unmatched, 9: &a.accepted, 10: &a.reserve, 11: &a.before, 12: &a.lent,
	} {
		errs = append(errs, into.Scan(row[i]))
	}
	return errors.Join(errs...)
}

func (db *session) saveAccount(a *account) error {
	_, err := db.exec(`INSERT OR REPLACE INTO accounts (provider, `+accountColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.provider.Hex(), int64(a.block), a.balance.String(), a.pending.String(), a.carried.String(), a.debited.String(), a.settled.String(),
		a.corrected.String(), a.unmatched.String(), a.through, a.accepted.String(), a.reserve.String(), a.before.String(), a.lent.String())
	return err
}

// changeAccount changes the row of one provider.
func (s *Store) changeAccount(p common.Address, change func(*account)) (account, error) {
	var a account
	err := s.writer.do(true, func(db *session) (err error) {
		if a, err = db.account(p); err != nil {
			return err
		}
		change(&a)
		return db.saveAccount(&a)
	})
	if err != nil {
		return a, fmt.Errorf("record what is known of provider %s: %w", p, err)
	}
	return a, nil
}

// adopt makes the store that of one wallet on one chain. What was matched for another one means nothing.
func (s *Store) adopt(wallet string) error {
	err := s.writer.do(true, func(db *session) error {
		var before string
		if err := db.query(`SELECT value FROM snapshots WHERE name = 'matched_wallet'`, func(row []driver.Value) error {
			before, _ = row[0].(string)
			return nil
		}); err != nil || before == wallet {
			return err
		}
		if before != "" {
			if _, err := db.exec(`DELETE FROM accounts`); err != nil {
				return err
			}
		}
		_, err := db.exec(`INSERT OR REPLACE INTO snapshots (name, value, read_at) VALUES ('matched_wallet', ?, 0)`, wallet)
		return err
	})
	if err != nil {
		return fmt.Errorf("find out whose wallet the spend store belongs to: %w", err)
	}
	return nil
}

// accounts reads all rows.
func (s *Store) accounts() (map[common.Address]account, error) {
	all := make(map[common.Address]account)
	err := s.writer.do(false, func(db *session) error {
		return db.query(`SELECT `+accountColumns+`, provider FROM accounts`, func(row []driver.Value) error {
			name, _ := row[len(row)-1].(string)
			a := account{provider: common.HexToAddress(name)}
			all[a.provider] = a
			err := a.scan(row)
			all[a.provider] = a
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read where matching stands: %w", err)
	}
	return all, nil
}
