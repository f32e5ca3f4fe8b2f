package billing

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// saveSigners remembers the signers of a pin for good: the owner began with them, or accepted them.
func (db *session) saveSigners(pin zg.Pin) error {
	if pin.Provider == (common.Address{}) || pin.Settler == (common.Address{}) {
		return nil
	}
	_, err := db.exec(`INSERT INTO signers (provider, signer, source, settler, accepted_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		pin.Provider.Hex(), signerText(pin.Signer), pin.Source, pin.Settler.Hex(), micros(pin.At))
	return err
}

// signerText is empty where a service signs nothing.
func signerText(a common.Address) string {
	if a == (common.Address{}) {
		return ""
	}
	return a.Hex()
}

// Signers are the signers of all pins that each provider ever had, without URLs, in no order.
func (s *Store) Signers(ctx context.Context) (_ map[common.Address][]zg.Pin, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT provider, signer, source, settler, accepted_at FROM signers`)
	if err != nil {
		return nil, fmt.Errorf("read whose signatures were accepted: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := make(map[common.Address][]zg.Pin)
	for rows.Next() {
		var provider, signer, settler string
		var pin zg.Pin
		var at int64
		if err := rows.Scan(&provider, &signer, &pin.Source, &settler, &at); err != nil {
			return nil, fmt.Errorf("read whose signatures were accepted: %w", err)
		}
		pin.Provider, pin.Signer, pin.Settler = common.HexToAddress(provider), common.HexToAddress(signer), common.HexToAddress(settler)
		pin.At = fromMicros(at)
		out[pin.Provider] = append(out[pin.Provider], pin)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read whose signatures were accepted: %w", err)
	}
	return out, nil
}

// Signers is that of the store read.
func (r *Reader) Signers(ctx context.Context) (map[common.Address][]zg.Pin, error) {
	return r.store.Signers(ctx)
}

// Return takes a provider back whose signers on chain are those of a pin that it had before, or has: the pin is moved
// to them, and a suspension for a change of signer ends. The owner has accepted them once, so he is not asked again. It
// reports false, and changes nothing, where he never did, where the URL is another one, and where something else speaks
// against the provider. It is on disk when this returns.
func (s *Store) Return(pin zg.Pin) (back bool, err error) {
	err = s.writer.do(true, func(db *session) error {
		back = false
		t, err := db.trust(pin.Provider)
		if err != nil {
			return err
		}
		if !t.pin.MayReturn(pin.URL, t.suspension) {
			return nil
		}
		known := false
		err = db.query(`SELECT 1 FROM signers WHERE provider = ? AND signer = ? AND source = ? AND settler = ?`, func([]driver.Value) error {
			known = true
			return nil
		}, pin.Provider.Hex(), signerText(pin.Signer), pin.Source, pin.Settler.Hex())
		if err != nil || !known {
			return err
		}
		back = true
		return db.saveTrust(pin.Provider, trust{pin: pin})
	})
	if err != nil {
		return false, fmt.Errorf("record that provider %s is back: %w", pin.Provider, err)
	}
	return back, nil
}

// Explain ends the suspension of a provider for an answer that somebody unknown had signed, where the chain names that
// signer by now: the provider was upgraded, and the answer came before the chain told of it. What follows from the new
// signer is decided as for any other. It reports whether it did. It is on disk when this returns.
func (s *Store) Explain(p, signer common.Address) (explained bool, err error) {
	return s.changeTrust(p, func(t *trust) bool {
		if why := t.suspension; why.Code != zg.SuspendedStranger || signer == (common.Address{}) || why.Signer != signer {
			return false
		}
		t.suspension = zg.Suspension{}
		return true
	})
}
