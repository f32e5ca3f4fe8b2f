package billing

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why no id is given out for a session token.
var (
	ErrTokenTaken = errors.New("a token with this id has been made before, or is revoked")
	ErrNoTokenID  = errors.New("all 255 ids of this generation are used; revoke all tokens to begin a new one")
)

// TakeToken records a session token that is about to be made, under t.ID, or with t.ID negative under the lowest id
// that is free: not used in this generation, and not revoked on chain. When it returns nil, the record is on disk,
// synced: the id is never given out again, whether the token was made or not.
func (s *Store) TakeToken(wallet string, t zg.Token, revoked *big.Int) (zg.Token, error) {
	err := s.writer.do(true, func(db *session) error {
		used := big.NewInt(0)
		err := db.query(`SELECT token_id FROM tokens WHERE wallet = ? AND provider = ? AND generation = ?`, func(row []driver.Value) error {
			id, ok := row[0].(int64)
			if !ok || id < 0 || id > zg.LastTokenID {
				return fmt.Errorf("the id of a token reads %v", row[0])
			}
			used.SetBit(used, int(id), 1)
			return nil
		}, wallet, t.Provider.Hex(), int64(t.Generation))
		if err != nil {
			return err
		}
		if revoked != nil {
			used.Or(used, revoked)
		}
		switch {
		case t.ID > zg.LastTokenID:
			return fmt.Errorf("a token has an id from 0 to %d", zg.LastTokenID)
		case t.ID >= 0 && used.Bit(t.ID) == 1:
			return ErrTokenTaken
		case t.ID < 0:
			for t.ID = 0; used.Bit(t.ID) == 1; t.ID++ {
				if t.ID == zg.LastTokenID {
					return ErrNoTokenID
				}
			}
		}
		expires := int64(0)
		if !t.ExpiresAt.IsZero() {
			expires = micros(t.ExpiresAt)
		}
		_, err = db.exec(`INSERT INTO tokens (wallet, provider, generation, token_id, label, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			wallet, t.Provider.Hex(), int64(t.Generation), int64(t.ID), t.Label, micros(t.CreatedAt), expires)
		return err
	})
	if err != nil {
		return zg.Token{}, fmt.Errorf("record a session token: %w", err)
	}
	return t, nil
}

// Tokens are the session tokens that were made for a wallet, the oldest of each provider first.
func (s *Store) Tokens(ctx context.Context, wallet string) (_ []zg.Token, err error) {
	rows, err := s.readers.QueryContext(ctx,
		`SELECT provider, generation, token_id, label, created_at, expires_at FROM tokens WHERE wallet = ? ORDER BY provider, generation, created_at, token_id`, wallet)
	if err != nil {
		return nil, fmt.Errorf("read the session tokens: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []zg.Token
	for rows.Next() {
		var t zg.Token
		var provider string
		var generation, created, expires int64
		if err := rows.Scan(&provider, &generation, &t.ID, &t.Label, &created, &expires); err != nil {
			return nil, fmt.Errorf("read the session tokens: %w", err)
		}
		t.Provider, t.Generation, t.CreatedAt = common.HexToAddress(provider), uint64(generation), fromMicros(created)
		if expires != 0 {
			t.ExpiresAt = time.UnixMicro(expires)
		}
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the session tokens: %w", err)
	}
	return out, nil
}

// Tokens is Store.Tokens.
func (r *Reader) Tokens(ctx context.Context, wallet string) ([]zg.Token, error) {
	return r.store.Tokens(ctx, wallet)
}
