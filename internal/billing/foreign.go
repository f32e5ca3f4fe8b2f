package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrOtherForeign means that what was done elsewhere is not what the owner was shown any more.
var ErrOtherForeign = errors.New("what was done elsewhere with the wallet is not what was shown any more")

const (
	// maxListed is how many foreign transactions that nobody has accepted are on record one by one. What an endpoint says
	// of a nonce must not fill the disk.
	maxListed = 500
	// highestPossible bounds what is believed of a nonce at all.
	highestPossible = 1 << 48
)

// ForeignTx is a transaction of the wallet that this journal did not make: by another program, or by another copy of
// the data directory.
type ForeignTx struct {
	zg.MinedTx           // but for the nonce only once it was found: it has a block then
	SeenAt     time.Time // when its nonce was found used
	Gone       bool      // the chain does not have it any more
}

// Named reports whether it is known what it did.
func (f *ForeignTx) Named() bool { return f.Block != 0 }

// Foreign is what of the wallet was done elsewhere and was not accepted by the owner. While there is any, nothing is
// signed without being asked for.
type Foreign struct {
	Since    time.Time   // when the first was noticed; zero: there is none
	Txs      []ForeignTx // lowest nonce first
	Unlisted uint64      // more, with lower nonces, that were too many to list
}

// Count is how many there are.
func (f Foreign) Count() uint64 { return uint64(len(f.Txs)) + f.Unlisted }

// Through is the highest nonce of them.
func (f Foreign) Through() uint64 {
	if len(f.Txs) == 0 {
		return 0
	}
	return f.Txs[len(f.Txs)-1].Nonce
}

// Transferred is what of it went to providers, as far as that is known.
func (f Foreign) Transferred() (sum zg.Neuron) {
	for i := range f.Txs {
		if t := &f.Txs[i]; t.OK && t.Kind == zg.IntentTransfer {
			sum = sum.Add(t.Amount)
		}
	}
	return sum
}

// noncesRow is where comparing the chain's nonces with the journal's stands.
type noncesRow struct {
	baseline, agreed, block, unlisted uint64
	since                             int64
}

// nonces reads the row of a wallet. Where there is none yet, comparing begins after the journal's own transactions:
// those that a wallet made before it was used here alarm nobody, and what an older copy of the directory does not have
// does.
func (db *session) nonces(wallet string, mined, block uint64) (r noncesRow, err error) {
	var found bool
	err = db.query(`SELECT baseline, agreed, block, unlisted, COALESCE(since, 0) FROM nonces WHERE wallet = ?`, func(row []driver.Value) error {
		found = true
		for i, into := range []*uint64{&r.baseline, &r.agreed, &r.block, &r.unlisted} {
			n, _ := row[i].(int64)
			*into = uint64(n)
		}
		r.since, _ = row[4].(int64)
		return nil
	}, wallet)
	if err != nil || found {
		return r, err
	}
	r = noncesRow{baseline: mined, block: block}
	err = db.query(`SELECT MAX(nonce), (SELECT MAX(block) FROM journal_txs JOIN journal ON journal.id = entry_id `+ours+`) FROM journal `+ours, func(row []driver.Value) error {
		if highest, known := row[0].(int64); known {
			last, _ := row[1].(int64)
			r.baseline, r.block = uint64(highest)+1, uint64(last)
		}
		return nil
	}, wallet, wallet)
	r.agreed = r.baseline
	return r, err
}

func (db *session) saveNonces(wallet string, r noncesRow) error {
	var since any
	if r.since != 0 {
		since = r.since
	}
	_, err := db.exec(`INSERT OR REPLACE INTO nonces (wallet, baseline, agreed, block, unlisted, since) VALUES (?, ?, ?, ?, ?, ?)`,
		wallet, int64(r.baseline), int64(r.agreed), int64(r.block), int64(r.unlisted), since)
	return err
}

// rememberEvery is how many blocks go by until it is noted that nothing has changed.
const rememberEvery = 200

// compareNonces holds what the chain says of the wallet's nonces against the journal, and puts on record which were
// used by somebody else. mined is how many of its transactions are mined, as read before this is called: whatever of
// ours is among them was recorded before it was sent. block is one at which no more were; 0: not known. When it
// returns, what it has found is on disk, synced.
func (s *Store) compareNonces(ctx context.Context, wallet string, mined, block uint64, now time.Time) (Foreign, error) {
	if mined > highestPossible {
		return Foreign{}, fmt.Errorf("the node says that the wallet has made %d transactions, which cannot be", mined)
	}
	var agreed, at int64
	err := s.readers.QueryRowContext(ctx, `SELECT agreed, block FROM nonces WHERE wallet = ?`, wallet).Scan(&agreed, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Foreign{}, fmt.Errorf("read which nonces are accounted for: %w", err)
	}
	// Most looks find nothing new, and where to search from may lag behind a little.
	if err != nil || uint64(agreed) != mined || block >= uint64(at)+rememberEvery {
		err = s.writer.do(true, func(db *session) error {
			r, err := db.nonces(wallet, mined, block)
			if err != nil {
				return err
			}
			if err := db.list(wallet, &r, mined, now); err != nil {
				return err
			}
			r.agreed, r.block = mined, max(r.block, block)
			return db.saveNonces(wallet, r)
		})
		if err != nil {
			return Foreign{}, fmt.Errorf("record which nonces are accounted for: %w", err)
		}
	}
	return s.Foreign(ctx, wallet)
}

// list puts on record which nonces from the agreed one on somebody else has used, and which of those on record the
// chain has no more, or were ours after all.
func (db *session) list(wallet string, r *noncesRow, mined uint64, now time.Time) error {
	from := max(r.agreed, r.baseline)
	known, err := db.knownNonces(wallet, from, mined)
	if err != nil {
		return err
	}
	listed, err := db.unaccepted(wallet)
	if err != nil {
		return err
	}
	room := max(maxListed-listed, 0)
	var missing uint64
	if from < mined {
		missing = mined - from - uint64(len(known))
	}
	for n := mined; missing > 0 && room > 0; {
		if n--; known[n] {
			continue
		}
		missing, room = missing-1, room-1
		if err := db.addForeign(wallet, n, r.block, now); err != nil {
			return err
		}
	}
	r.unlisted += missing
	// What a reorganisation took out of the chain stays on record, because it may come back.
	for _, change := range []string{
		`UPDATE foreign_txs SET gone = 1, block = NULL WHERE wallet = ? AND nonce >= ? AND gone = 0`,
		`UPDATE foreign_txs SET gone = 0 WHERE wallet = ? AND nonce < ? AND gone = 1`,
	} {
		if _, err := db.exec(change, wallet, int64(mined)); err != nil {
			return err
		}
	}
	if _, err := db.exec(`DELETE FROM foreign_txs WHERE wallet = ? AND nonce IN (SELECT nonce FROM journal `+ours+` AND state IN ('mined', 'reverted', 'cancelled'))`,
		wallet, wallet); err != nil {
		return err
	}
	switch listed, err = db.unaccepted(wallet); {
	case err != nil:
		return err
	case listed == 0 && r.unlisted == 0:
		r.since = 0
	case r.since == 0:
		r.since = micros(now)
	}
	return nil
}

// unaccepted is how many foreign transactions are listed that the owner has not accepted.
func (db *session) unaccepted(wallet string) (n int64, err error) {
	err = db.query(`SELECT COUNT(*) FROM foreign_txs WHERE wallet = ? AND accepted_at IS NULL`, func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	}, wallet)
	return n, err
}

// knownNonces are those from one on, and below another, that are the journal's or on record as foreign.
func (db *session) knownNonces(wallet string, from, below uint64) (map[uint64]bool, error) {
	known := make(map[uint64]bool)
	err := db.query(`SELECT nonce FROM journal `+ours+` AND nonce >= ? AND nonce < ? AND state != 'superseded'
		UNION SELECT nonce FROM foreign_txs WHERE wallet = ? AND nonce >= ? AND nonce < ?`, func(row []driver.Value) error {
		n, _ := row[0].(int64)
		known[uint64(n)] = true
		return nil
	}, wallet, int64(from), int64(below), wallet, int64(from), int64(below))
	return known, err
}

// addForeign puts a foreign transaction on record of which only the nonce is known.
func (db *session) addForeign(wallet string, nonce, after uint64, now time.Time) error {
	_, err := db.exec(`INSERT INTO foreign_txs (wallet, nonce, seen_at, after_block) VALUES (?, ?, ?, ?) ON CONFLICT (wallet, nonce) DO NOTHING`,
		wallet, int64(nonce), micros(now), int64(after))
	return err
}

// supersedeEntry records that the nonce of an entry was used by somebody else's transaction, which is one more foreign
// one. It is on disk when this returns, synced.
func (s *Store) supersedeEntry(e *Entry, wallet, reason string, now time.Time) error {
	err := s.writer.do(true, func(db *session) error {
		if err := db.end(e.ID, e.State, EntrySuperseded, reason, nil, now); err != nil {
			return err
		}
		r, err := db.nonces(wallet, e.Nonce+1, 0)
		if err != nil {
			return err
		}
		if r.since == 0 {
			r.since = micros(now)
		}
		if err := db.addForeign(wallet, e.Nonce, r.block, now); err != nil {
			return err
		}
		return db.saveNonces(wallet, r)
	})
	if err != nil {
		return fmt.Errorf("record that another sender has used a nonce: %w", err)
	}
	return nil
}

// nameForeign records what foreign transactions did. Where another one was accepted at the same nonce, before the chain
// was reorganised, this one is not.
func (s *Store) nameForeign(wallet string, txs []zg.MinedTx) error {
	err := s.writer.do(true, func(db *session) error {
		for _, t := range txs {
			provider := ""
			if t.Provider != (common.Address{}) {
				provider = t.Provider.Hex()
			}
			amount := t.Amount
			if !t.OK {
				amount = zg.Neuron{}
			}
			if _, err := db.exec(`UPDATE foreign_txs SET accepted_at = CASE WHEN hash IS NULL OR hash = ?1 THEN accepted_at END,
				hash = ?1, block = ?2, mined_at = ?3, kind = ?4, provider = ?5, amount = ?6, ok = ?7,
				opening = ?4 = 'transfer' AND ?7 = 1
					AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.provider = ?5 AND a.balance != '0')
					AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.provider = ?5 AND j.kind = 'transfer' AND j.state IN ('signed', 'mined'))
					AND NOT EXISTS (SELECT 1 FROM foreign_txs f WHERE f.wallet = ?8 AND f.provider = ?5 AND f.kind = 'transfer' AND f.ok = 1 AND f.nonce < ?9)
				WHERE wallet = ?8 AND nonce = ?9 AND gone = 0`,
				t.Hash.Hex(), int64(t.Block), micros(t.At), string(t.Kind), provider, amount.String(), bit(t.OK), wallet, int64(t.Nonce)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record what was done elsewhere: %w", err)
	}
	return nil
}

// AcceptForeign records that the owner accepts what was done elsewhere up to a nonce, as it was shown: counted. Of what
// has come since, nothing is accepted, and where it is among the shown nonces, nothing at all: ErrOtherForeign. It is
// on disk when this returns.
func (s *Store) AcceptForeign(wallet string, through, counted uint64, now time.Time) error {
	err := s.writer.do(true, func(db *session) error {
		r, err := db.nonces(wallet, 0, 0)
		if err != nil {
			return err
		}
		var above, below int64
		if err := db.query(`SELECT COALESCE(SUM(nonce > ?), 0), COALESCE(SUM(nonce <= ?), 0) FROM foreign_txs WHERE wallet = ? AND accepted_at IS NULL`,
			func(row []driver.Value) error {
				above, _ = row[0].(int64)
				below, _ = row[1].(int64)
				return nil
			}, int64(through), int64(through), wallet); err != nil {
			return err
		}
		if uint64(below)+r.unlisted != counted || counted == 0 {
			return ErrOtherForeign
		}
		if _, err := db.exec(`UPDATE foreign_txs SET accepted_at = ? WHERE wallet = ? AND nonce <= ? AND accepted_at IS NULL`, micros(now), wallet, int64(through)); err != nil {
			return err
		}
		if r.unlisted = 0; above == 0 {
			r.since = 0
		}
		return db.saveNonces(wallet, r)
	})
	if err != nil {
		return fmt.Errorf("record that what was done elsewhere is accepted: %w", err)
	}
	return nil
}

// Foreign is what was done elsewhere with a wallet and not accepted, as far as it is on record.
func (s *Store) Foreign(ctx context.Context, wallet string) (f Foreign, err error) {
	var since, unlisted int64
	err = s.readers.QueryRowContext(ctx, `SELECT COALESCE(since, 0), unlisted FROM nonces WHERE wallet = ?`, wallet).Scan(&since, &unlisted)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read what was done elsewhere: %w", err)
	}
	f.Since, f.Unlisted = fromMicros(since), uint64(unlisted)
	rows, err := s.readers.QueryContext(ctx, `SELECT nonce, seen_at, gone, COALESCE(hash, ''), COALESCE(block, 0), COALESCE(mined_at, 0),
		kind, provider, amount, ok FROM foreign_txs WHERE wallet = ? AND accepted_at IS NULL ORDER BY nonce`, wallet)
	if err != nil {
		return f, fmt.Errorf("read what was done elsewhere: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t ForeignTx
		var hash, provider string
		var seen, mined int64
		if err := rows.Scan(&t.Nonce, &seen, &t.Gone, &hash, &t.Block, &mined, &t.Kind, &provider, &t.Amount, &t.OK); err != nil {
			return f, fmt.Errorf("read what was done elsewhere: %w", err)
		}
		t.SeenAt, t.Hash, t.At, t.Provider = fromMicros(seen), common.HexToHash(hash), fromMicros(mined), common.HexToAddress(provider)
		f.Txs = append(f.Txs, t)
	}
	if err := rows.Err(); err != nil {
		return f, fmt.Errorf("read what was done elsewhere: %w", err)
	}
	return f, nil
}

// unnamedForeign are the nonces, accepted or not, of which it is not known what they were used for, a few at a time,
// and a block at which none of them was; 0: not known. What could not be found in a day is not looked for any more.
func (s *Store) unnamedForeign(ctx context.Context, wallet string, now time.Time) (nonces []uint64, after uint64, err error) {
	const atOnce = 50
	rows, err := s.readers.QueryContext(ctx, `SELECT nonce, after_block FROM foreign_txs WHERE wallet = ? AND block IS NULL AND gone = 0 AND seen_at > ?
		ORDER BY nonce DESC LIMIT ?`, wallet, micros(now.Add(-24*time.Hour)), atOnce)
	if err != nil {
		return nil, 0, fmt.Errorf("read what was done elsewhere: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var nonce, block uint64
		if err := rows.Scan(&nonce, &block); err != nil {
			return nil, 0, fmt.Errorf("read what was done elsewhere: %w", err)
		}
		if len(nonces) == 0 || block < after {
			after = block
		}
		nonces = append(nonces, nonce)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read what was done elsewhere: %w", err)
	}
	slices.Reverse(nonces)
	return nonces, after, nil
}

// NoncesAgreed is the lowest nonce that is not accounted for yet; 0: nothing was compared so far.
func (r *Reader) NoncesAgreed(ctx context.Context, wallet string) (uint64, error) {
	var agreed int64
	err := r.store.readers.QueryRowContext(ctx, `SELECT agreed FROM nonces WHERE wallet = ?`, wallet).Scan(&agreed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read which nonces are accounted for: %w", err)
	}
	return uint64(agreed), nil
}

// Foreign is that of the store read.
func (r *Reader) Foreign(ctx context.Context, wallet string) (Foreign, error) {
	return r.store.Foreign(ctx, wallet)
}
