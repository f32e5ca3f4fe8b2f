package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	deniesAccount = `{"error":"validate request: get account from contract, account not exist"}`
	deniesBalance = `{"error":"validate request: insufficient balance: your locked balance is 0.5 0G, but the required minimum is 1.500000 0G"}`
	deniesAcked   = `{"error":"validate request: user not acknowledge the provider"}`
)

// holding is a view of the chain, read so long ago, with a sub-account that holds so many 0G, if any.
func holding(age time.Duration, exists bool, og uint64, acknowledged bool) *billing.KeeperView {
	pv := billing.ProviderView{Exists: exists, Account: zg.SubAccount{Balance: zg.OneOG.Mul(og), Acknowledged: acknowledged}}
	return &billing.KeeperView{ReadAt: time.Now().Add(-age), Providers: map[common.Address]billing.ProviderView{cheap: pv, dear: pv, multi: pv}}
}

// Whatever a provider says of the wallet's account, what the wallet read from the chain itself is what its owner is
// told.
func TestOurReadingOfTheChainOutranksAProvidersWords(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		view       *billing.KeeperView
		status     int
		code       string
		says, not  string
	}{
		{"an account that there is", deniesAccount, holding(0, true, 3, true), 503, "account_not_seen", "There is one, with 3 0G", "There is no sub-account"},
		{"an account read long ago", deniesAccount, holding(time.Hour, true, 3, true), 402, "no_account", "has not read the chain lately", "There is no"},
		{"plenty", deniesBalance, holding(0, true, 3, true), 503, "account_not_seen", "wants 1.5 0G. There are 3 0G", "wants more"},
		{"too little", deniesBalance, holding(0, true, 1, true), 402, "insufficient_balance", "at least 1.5 0G); it holds 1 0G", "may lag"},
		{"too little to be told apart", strings.Replace(deniesBalance, "1.5", "3.0", 1), holding(0, true, 3, true), 402, "insufficient_balance", "at least 3 0G); it holds 3 0G", "may lag"},
		{"an acknowledgement that there is", deniesAcked, holding(0, true, 3, true), 503, "account_not_seen", "It does, as read", "zgproxy provider acknowledge"},
		{"an acknowledgement that is missing", deniesAcked, holding(0, true, 3, false), 402, "not_acknowledged", "zgproxy provider acknowledge", "may lag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain3(t, reallyClassified, refuses(400, tc.body))
			view := *tc.view
			for p, pv := range view.Providers {
				if tc.status == http.StatusPaymentRequired {
					pv.Reason = "budget_transfers_day" // so that it is not 429
				}
				view.Providers[p] = pv
			}
			c.view.Store(&view)
			resp, text := c.chat(chatBody)
			if resp.StatusCode != tc.status || resp.Header.Get("X-Zgproxy-Error") != tc.code || !strings.Contains(text, tc.says) || strings.Contains(text, tc.not) {
				t.Errorf("answered %d %s %s", resp.StatusCode, resp.Header.Get("X-Zgproxy-Error"), text)
			}
			if (resp.Header.Get("Retry-After") != "") != (tc.status == 503) {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			if rec := c.record(resp); !rec.Fee.IsZero() {
				t.Errorf("booked %+v, want nothing", rec)
			}

			c = newChain3(t, reallyClassified, refuses(400, tc.body), good)
			c.view.Store(&view)
			if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusOK || c.counts() != "1 1 0" {
				t.Errorf("answered %d %s, asked %s; want another provider's answer", resp.StatusCode, text, c.counts())
			}
		})
	}
}
