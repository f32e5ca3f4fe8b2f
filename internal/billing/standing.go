package billing

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Standing is a sub-account as the wallet's own last reading of the chain showed it.
type Standing struct {
	Known        bool // the reading is recent enough to hold against what somebody else says
	Exists       bool
	Acknowledged bool // the wallet acknowledges the provider's signer
	Locked       zg.Neuron
	Age          time.Duration // of the reading
}

// Standing is what is known of the sub-account with a provider. What was read too long ago counts as not known.
func (m *Meter) Standing(p common.Address) Standing {
	view := m.cfg.View()
	pv, ok := view.Providers[p]
	age := m.cfg.Now().Sub(view.ReadAt)
	if !ok || view.ReadAt.IsZero() || age > freshView {
		return Standing{}
	}
	return Standing{Known: true, Exists: pv.Exists, Acknowledged: pv.Exists && pv.Account.Acknowledged, Locked: pv.Account.Locked(), Age: max(age, 0)}
}
