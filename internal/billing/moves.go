package billing

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Moves is what the journal says was moved, as far as limits are held against it. What is under way counts as moved,
// and so does what the owner moved by hand, and what was moved elsewhere with the same key.
type Moves struct {
	Day, Ever map[common.Address]Moved // transfers of the last 24 hours, and since the store began
	Auto      AutoFunded
}

func (k *Keeper) moves(ctx context.Context, now time.Time) (m Moves, err error) {
	if m.Day, err = k.store.Transferred(ctx, now.Add(-24*time.Hour)); err != nil {
		return m, err
	}
	if m.Ever, err = k.store.Transferred(ctx, time.Time{}); err != nil {
		return m, err
	}
	m.Auto, err = k.store.AutoFunded(ctx)
	return m, err
}

// Spent is what counts against the budget of transfers to a provider.
func (m *Moves) Spent(p common.Address) Spent {
	s := Spent{ProviderDay: m.Day[p].All(), ProviderTotal: m.Ever[p].All()}
	for _, n := range m.Day {
		s.Day = s.Day.Add(n.All())
	}
	for _, n := range m.Ever {
		s.Total = s.Total.Add(n.All())
	}
	return s
}
