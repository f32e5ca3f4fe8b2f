package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrNoSigner means that a pin without a signer on chain was to be accepted: nobody vouches for such a provider, and
// any later signer would pass for the accepted one.
var ErrNoSigner = errors.New("the provider names no signer")

// ErrOtherSuspension means that a provider is suspended for another reason than the owner was shown, or is not any
// more.
var ErrOtherSuspension = errors.New("the suspension is not the one that was shown")

const trustColumns = `COALESCE(signer, ''), COALESCE(source, ''), COALESCE(url, ''), pinned_at, COALESCE(code, ''), COALESCE(reason, ''),
	COALESCE(request_id, ''), suspended_at, provider, COALESCE(settler, ''), COALESCE(stranger, '')`

// Trust is whom the owner trusts as what, and who is suspended.
func (s *Store) Trust(ctx context.Context) (pins map[common.Address]zg.Pin, suspended map[common.Address]zg.Suspension, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT `+trustColumns+` FROM trust`)
	if err != nil {
		return nil, nil, fmt.Errorf("read whom to trust: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	pins, suspended = make(map[common.Address]zg.Pin), make(map[common.Address]zg.Suspension)
	for rows.Next() {
		var t trust
		var signer, provider, settler, stranger string
		var pinned, since sql.NullInt64
		if err := rows.Scan(&signer, &t.pin.Source, &t.pin.URL, &pinned, &t.suspension.Code, &t.suspension.Reason,
			&t.suspension.RequestID, &since, &provider, &settler, &stranger); err != nil {
			return nil, nil, fmt.Errorf("read whom to trust: %w", err)
		}
		p := common.HexToAddress(provider)
		if pinned.Valid {
			t.pin.Provider, t.pin.Signer, t.pin.At = p, common.HexToAddress(signer), fromMicros(pinned.Int64)
			t.pin.Settler = common.HexToAddress(settler)
			pins[p] = t.pin
		}
		if since.Valid {
			t.suspension.Provider, t.suspension.At = p, fromMicros(since.Int64)
			t.suspension.Signer = common.HexToAddress(stranger)
			suspended[p] = t.suspension
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read whom to trust: %w", err)
	}
	return pins, suspended, nil
}

// trust is one row. A part whose provider is zero is absent.
type trust struct {
	pin        zg.Pin
	suspension zg.Suspension
}

func (db *session) trust(p common.Address) (t trust, err error) {
	err = db.query(`SELECT `+trustColumns+` FROM trust WHERE provider = ?`, func(row []driver.Value) error {
		str := func(i int) string { s, _ := row[i].(string); return s }
		if at, ok := row[3].(int64); ok {
			t.pin = zg.Pin{
				Provider: p, Signer: common.HexToAddress(str(0)), Source: str(1), URL: str(2), At: fromMicros(at),
				Settler: common.HexToAddress(str(9)),
			}
		}
		if at, ok := row[7].(int64); ok {
			t.suspension = zg.Suspension{
				Provider: p, Code: str(4), Reason: str(5), RequestID: str(6), At: fromMicros(at), Signer: common.HexToAddress(str(10)),
			}
		}
		return nil
	}, p.Hex())
	if err != nil {
		return t, fmt.Errorf("read whether to trust provider %s: %w", p, err)
	}
	return t, nil
}

func (db *session) saveTrust(p common.Address, t trust) error {
	var pinned, suspended any
	if t.pin.Provider != (common.Address{}) {
		pinned = micros(t.pin.At)
	}
	if t.suspension.Provider != (common.Address{}) {
		suspended = micros(t.suspension.At)
	}
	_, err := db.exec(`INSERT OR REPLACE INTO trust (provider, signer, source, url, pinned_at, code, reason, request_id, suspended_at,
		settler, stranger) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, p.Hex(), address(t.pin.Signer), text(t.pin.Source), text(t.pin.URL),
		pinned, text(t.suspension.Code), text(t.suspension.Reason), text(t.suspension.RequestID), suspended, address(t.pin.Settler),
		address(t.suspension.Signer))
	if err != nil {
		return err
	}
	return db.saveSigners(t.pin)
}

// changeTrust changes one row where change says so, synced to disk.
func (s *Store) changeTrust(p common.Address, change func(*trust) bool) (changed bool, err error) {
	err = s.writer.do(true, func(db *session) error {
		t, err := db.trust(p)
		if err != nil {
			return err
		}
		if changed = change(&t); !changed {
			return nil
		}
		return db.saveTrust(p, t)
	})
	if err != nil {
		return false, fmt.Errorf("record whether to trust provider %s: %w", p, err)
	}
	return changed, nil
}

// Pin records what a provider is when the owner begins to use it, and reports whether that is new: a pin is never
// replaced by another one but with Accept, or with Return by one that was accepted before. A pin of an older store,
// which does not know who settles, gets that from a pin that says the same. It is on disk when this returns.
func (s *Store) Pin(pin zg.Pin) (fresh bool, err error) {
	return s.changeTrust(pin.Provider, func(t *trust) bool {
		if had := t.pin; had.Provider != (common.Address{}) {
			had.Settler, had.At = pin.Settler, pin.At
			if t.pin.Settler != (common.Address{}) || had != pin {
				return false
			}
		}
		t.pin = pin
		return true
	})
}

// Suspend records that a provider is to get nothing any more, and reports whether that is new: the first reason stays
// until the owner accepts the provider, but for an answer that does not match, which has no grace. It is on disk when
// this returns.
func (s *Store) Suspend(why zg.Suspension) (fresh bool, err error) {
	return s.changeTrust(why.Provider, func(t *trust) bool {
		if t.suspension.Provider != (common.Address{}) && !why.Outranks(t.suspension) {
			return false
		}
		t.suspension = why
		return true
	})
}

// Acceptance is what the owner accepts of a provider.
type Acceptance struct {
	Drift zg.Neuron // taken or claimed beyond what was witnessed
	Pin   zg.Pin    // what the provider is now; its provider zero: as before
	// Suspension is what was shown, of which code and time count; its provider zero: none was.
	Suspension zg.Suspension
}

// Accepted is what the owner has accepted of a provider.
type Accepted struct {
	Drift, Before zg.Neuron     // now, and in all before
	Pin, Replaced zg.Pin        // now, and before; their provider zero: none
	Lifted        zg.Suspension // its provider zero: none
}

// Accept records what the owner accepts of a provider, and lifts its suspension. One that was not shown, or has another
// reason by now, is not lifted: ErrOtherSuspension, and nothing is accepted. Nor is a pin without a signer on chain:
// ErrNoSigner. It is on disk when this returns.
func (s *Store) Accept(p common.Address, what Acceptance) (Accepted, error) {
	out := Accepted{Drift: what.Drift}
	if what.Pin.Provider != (common.Address{}) && what.Pin.Settler == (common.Address{}) {
		return out, fmt.Errorf("record that provider %s is accepted: %w", p, ErrNoSigner)
	}
	err := s.writer.do(true, func(db *session) error {
		t, err := db.trust(p)
		if err != nil {
			return err
		}
		if shown := what.Suspension; t.suspension.Provider != shown.Provider || t.suspension.Code != shown.Code || !t.suspension.At.Equal(shown.At) {
			return ErrOtherSuspension
		}
		out.Lifted, out.Replaced, out.Pin = t.suspension, t.pin, t.pin
		if what.Pin.Provider != (common.Address{}) {
			t.pin, out.Pin = what.Pin, what.Pin
		}
		if t.suspension = (zg.Suspension{}); t.pin.Provider != (common.Address{}) || out.Lifted.Provider != (common.Address{}) {
			if err := db.saveTrust(p, t); err != nil {
				return err
			}
		}
		a, err := db.account(p)
		if err != nil {
			return err
		}
		out.Before = a.accepted
		a.accept(what.Drift)
		return db.saveAccount(&a)
	})
	if err != nil {
		return out, fmt.Errorf("record that provider %s is accepted: %w", p, err)
	}
	return out, nil
}

// Trust is that of the store read.
func (r *Reader) Trust(ctx context.Context) (map[common.Address]zg.Pin, map[common.Address]zg.Suspension, error) {
	return r.store.Trust(ctx)
}
