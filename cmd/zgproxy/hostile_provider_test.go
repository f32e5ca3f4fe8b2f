package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// unsettled says something else than what is owed.
func unsettled(name, reply string, log ...string) script {
	return script{name: "unsettled fee " + name, lie: func(h *hostile) { h.p.SetUnsettledReply(reply) }, log: log}
}

// usage puts something else than the truth into answers.
func usage(name, object string, log ...string) script {
	return script{
		name: "usage " + name,
		lie:  func(h *hostile) { h.p.SetFault(simprovider.Fault{Kind: simprovider.WrongUsage, Body: object}) },
		ask:  (*hostile).spendTwice, log: log,
	}
}

const (
	notKnown  = "unsettled fee not known"
	estimated = `"basis":"estimated"`
)

func providerLies() []script {
	fee := func(n string) string {
		return fmt.Sprintf(`{"userAddress":%q,"unsettledFee":%s}`, devnet.Wallet().Hex(), n)
	}
	pictures := func(name, body string, log ...string) script {
		return script{
			name: "pictures " + name,
			lie: func(h *hostile) {
				h.net.Providers[3].SetFault(simprovider.Fault{Kind: simprovider.Reply, Status: http.StatusOK, Body: body})
			},
			ask: func(h *hostile) { h.send("/v1/images/generations", `{"model":"picture-1","prompt":"an otter"}`) }, log: log,
		}
	}
	return []script{
		unsettled("ten times too high", fee(`"12000000000000000000"`), "drift"),
		unsettled("of 2^63", fee(`"9223372036854775808"`), "drift"),
		unsettled("of 2^256-1", fee(`"115792089237316195423570985008687907853269984665640564039457584007913129639935"`), "drift", notKnown),
		unsettled("of 2^256", fee(`"115792089237316195423570985008687907853269984665640564039457584007913129639936"`), notKnown),
		unsettled("negative", fee(`"-1"`), notKnown),
		unsettled("as a fraction", fee(`"1.5"`), notKnown),
		unsettled("as a float", fee(`1e30`), notKnown),
		unsettled("that is no number", fee(`"NaN"`), notKnown),
		unsettled("that is nothing", fee(`null`), notKnown),
		unsettled("in hex", fee(`"0xffffffffffffffff"`), notKnown),
		unsettled("of somebody else", `{"userAddress":"0x00000000000000000000000000000000000000aa","unsettledFee":"1"}`, notKnown),
		unsettled("in a page", "<html>0</html>", notKnown),
		unsettled("cut off", `{"userAddress":"`, notKnown),
		unsettled("in 20 MB", `{"pad":"`+strings.Repeat("x", 20<<20)+`"}`, notKnown),
		unsettled("of nothing, though something is owed", fee(`"0"`)),

		usage("of 2^63", `{"prompt_tokens":9223372036854775808,"completion_tokens":9223372036854775808}`, "bound", estimated),
		usage("of 2^64-1", `{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}`, "bound", estimated),
		usage("of 2^64", `{"prompt_tokens":18446744073709551616,"completion_tokens":1}`, estimated),
		usage("negative", `{"prompt_tokens":-1,"completion_tokens":-9223372036854775808}`, estimated),
		usage("in fractions", `{"prompt_tokens":1.5,"completion_tokens":2.5}`, `"basis"`),
		usage("with exponents", `{"prompt_tokens":1e99,"completion_tokens":1e99}`, estimated),
		usage("in words", `{"prompt_tokens":"many","completion_tokens":"more"}`, estimated),
		usage("of null", `null`, estimated),
		usage("as a list", `[1,2,3]`, estimated),
		usage("above the bound", `{"prompt_tokens":10,"completion_tokens":1000000}`, "bound"),
		usage("with more cached than read", `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":1000000}}`, `"basis"`),
		{
			name: "no usage at all", lie: func(h *hostile) { h.p.SetFault(simprovider.Fault{Kind: simprovider.NoUsage}) },
			ask: (*hostile).spendTwice, log: []string{estimated},
		},
		{
			name: "nonsense in the stream", lie: func(h *hostile) { h.p.SetFault(simprovider.Fault{Kind: simprovider.GarbageSSE, After: 2}) },
			ask: (*hostile).spendTwice, log: []string{`"basis"`},
		},
		pictures("a hundred thousand", `{"created":1,"data":[`+strings.Repeat("{},", 99_999)+`{}]}`, "bound", estimated),
		pictures("none", `{"created":1,"data":[]}`, `"basis"`),
		pictures("in a shape of its own", `{"created":1,"data":-1}`, `"basis"`),
	}
}

const balanceRefusal = "validate request: insufficient balance: your locked balance is 3.000000 0G, but the required minimum is %s 0G " +
	"(breakdown: minimum reserve %s 0G + unsettled fees 0.000000 0G + current request fee 0.000000 0G). Please transfer more to the provider"

// refused answers every request with an error.
func refused(name string, status int, text string, log ...string) script {
	return script{name: name, lie: func(h *hostile) {
		h.p.SetFault(simprovider.Fault{Kind: simprovider.Reply, Status: status, Body: fmt.Sprintf(`{"error":%q}`, text)})
	}, ask: func(h *hostile) {
		for range 5 {
			h.chat(smallBody)
		}
	}, log: log}
}

// leftAlone is a script after which the provider is not asked again for a while, as it wanted; an hour at most.
func leftAlone(s script) script {
	s.unserved = true
	return s
}

func refusalLies() []script {
	balance := func(name, required string) script {
		return refused("reserve "+name, http.StatusBadRequest, fmt.Sprintf(balanceRefusal, required, required), "insufficient_balance")
	}
	return []script{
		balance("of 1000 0G", "1000.000000"),
		balance("of 10^30 0G", "1"+strings.Repeat("0", 30)),
		balance("of 10^80 0G", "1"+strings.Repeat("0", 80)),
		balance("negative", "-1000.000000"),
		balance("that is no number", "1.2.3"),
		balance("of nothing", "0.000000"),
		refused("request fee of 10^30 0G", http.StatusBadRequest, "validate request: insufficient balance: your locked balance is 3.000000 0G, but the required minimum is 4.000000 0G "+
			"(breakdown: minimum reserve 1.000000 0G + unsettled fees 0.000000 0G + current request fee 1"+strings.Repeat("0", 30)+" 0G)", "insufficient_balance"),
		refused("never enough", http.StatusBadRequest, "insufficient balance: your locked balance is never enough", "insufficient_balance"),
		refused("account denied", http.StatusBadRequest, "validate request: get account from contract, account not exist", "no_account", "account_not_seen"),
		refused("acknowledgement denied", http.StatusBadRequest, "validate request: user not acknowledge the provider", "not_acknowledged", "account_not_seen"),
		refused("every token expired", http.StatusBadRequest, "validate session: session token expired", "session_refused", "session_expired"),
		refused("every token revoked", http.StatusBadRequest, "validate session: session token has been revoked", "session_refused", "session_revoked"),
		leftAlone(refused("banned for ever", http.StatusTooManyRequests, "Rate limit exceeded: too many invalid model requests. Please try again in 9999h59m", "banned")),
		refused("an error of 10 MB", http.StatusBadRequest, strings.Repeat("x", 10<<20), `"status":400`),
		{
			name: "sent elsewhere", lie: func(h *hostile) {
				h.p.SetFault(simprovider.Fault{Kind: simprovider.Redirect, Body: "http://127.0.0.1:1/elsewhere"})
			},
			ask: func(h *hostile) { h.chat(smallBody) }, log: []string{`"class":"upstream_error"`, `"code":"upstream_error"`},
		},
	}
}

// spendSlowly makes a top-up necessary and then keeps a request under way while the keeper looks: what is held for it must
// not hide what was taken.
func (h *hostile) spendSlowly() {
	h.Helper()
	h.spend()
	h.while(300 * time.Millisecond)
	h.p.SetFault(simprovider.Fault{Kind: simprovider.Stall, After: 2, Delay: 500 * time.Millisecond, N: 1})
	h.chat(chatAsking("lorem:5", true))
}

// register changes the liar's entry on chain, vouched for by the owner.
func (h *hostile) register(change func(*simchain.ServiceParams)) {
	h.Helper()
	s := simchain.ServiceParams{
		ServiceType: string(h.p.Type()), URL: h.p.URL(), Model: h.p.Model(), Verifiability: "TeeML",
		InputPrice: h.p.Price().Input, OutputPrice: h.p.Price().Output, TEESigner: h.p.TEESigner(),
	}
	change(&s)
	if err := h.net.Chain.RegisterService(h.Context(), devnet.ProviderKey("beta"), s); err != nil {
		h.Fatalf("register: %v", err)
	}
	if err := h.net.Chain.AcknowledgeSigner(h.Context(), h.p.Address()); err != nil {
		h.Fatalf("vouch: %v", err)
	}
}

// restored is the entry as it was.
func restored(h *hostile) { h.register(func(*simchain.ServiceParams) {}) }

// unfunded makes a top-up necessary and keeps it from being signed until the lie has been noticed, which is the reason then.
func (h *hostile) unfunded(reason string, lie func() error) {
	h.unfundedAfter((*hostile).spend, reason, lie)
}

// unfundedAfter is unfunded with a request of its own.
func (h *hostile) unfundedAfter(spend func(*hostile), reason string, lie func() error) {
	h.Helper()
	h.rpc(simchain.Fault{Error: &simchain.RPCError{Code: -32005, Message: "too many requests"}}, "eth_estimateGas")
	spend(h)
	if err := lie(); err != nil {
		h.Fatal(err)
	}
	h.funding("noticed", func(f fundingStatus) error { return f.because(reason) })
	h.net.Chain.SetFault(nil)
}

// chainChanges are what a provider, or the contracts' owner, does on chain.
func chainChanges() []script {
	often := []string{"ZGPROXY_DIRECTORY_REFRESH=100ms"}
	nothing := func(*hostile) {}
	takes := func(name string, more zg.Neuron, unserved bool) script {
		return script{
			name: name, paused: "drift", unserved: unserved, log: []string{"drift"}, ask: (*hostile).spendSlowly,
			lie: func(h *hostile) {
				h.p.Bill(devnet.Wallet(), more)
				if err := h.p.Settle(h.Context()); err != nil {
					h.Fatal(err)
				}
				h.looked() // else a top-up may be decided on what was there before, or on a claim that contains what was taken
			},
		}
	}
	return []script{
		takes("takes half a 0G for nothing", zg.OneOG.MulDiv(1, 2), false),
		takes("takes all there is", fullAmount, true),
		{
			name: "claims more with every request", paused: "", log: []string{"drift"},
			lie:  func(h *hostile) { h.p.Bill(devnet.Wallet(), zg.OneOG.MulDiv(1, 2)) },
			heal: func(h *hostile) { h.p.Forgive(devnet.Wallet()) },
		},
		{
			name: "signer changed", env: often, paused: "provider_suspended", unserved: true, log: []string{"signer_changed", "signer_not_accepted"}, ask: nothing, repair: restored,
			lie: func(h *hostile) {
				h.unfunded("provider_suspended", func() error {
					h.register(func(s *simchain.ServiceParams) { s.TEESigner = common.HexToAddress("0xbad") })
					return nil
				})
			},
		},
		{
			name: "service gone", env: often, paused: "service_gone", unserved: true, log: []string{"service_gone"}, ask: nothing, repair: restored,
			lie: func(h *hostile) {
				h.unfunded("service_gone", func() error { return h.net.Chain.RemoveService(h.Context(), devnet.ProviderKey("beta")) })
			},
		},
		{
			name: "owner no longer vouches", env: often, paused: "signer_not_acknowledged", unserved: true, log: []string{"signer_not_accepted"}, ask: nothing,
			lie: func(h *hostile) {
				h.unfunded("signer_not_acknowledged", func() error { return h.net.Chain.RevokeSigner(h.Context(), h.p.Address()) })
			},
			repair: restored,
		},
		{
			name: "price of all the money there is", unserved: true, log: []string{"price_absurd"}, repair: restored,
			early: func(h *hostile) {
				h.register(func(s *simchain.ServiceParams) { s.InputPrice, s.OutputPrice = zg.MaxNeuron, zg.MaxNeuron })
				h.p.SetFault(simprovider.Fault{Kind: simprovider.ControlHidden}) // no catalogue says otherwise
			},
			ask: func(h *hostile) {
				if code, answer := h.chat(smallBody); code == http.StatusOK {
					h.Errorf("a request that could cost all the money there is was sent: %s", answer)
				}
			},
		},
		{
			name: "price of a thousand 0G a token", log: []string{"budget_transfers_day"}, repair: restored, unserved: true,
			early: func(h *hostile) {
				h.register(func(s *simchain.ServiceParams) { s.InputPrice, s.OutputPrice = zg.OneOG.Mul(1000), zg.OneOG.Mul(1000) })
				h.p.SetFault(simprovider.Fault{Kind: simprovider.ControlHidden})
			},
			ask: func(h *hostile) { h.chat(smallBody) },
		},
		{
			name: "moved to where nobody is", env: often, unserved: true, log: []string{"url_changed"}, repair: restored,
			lie: func(h *hostile) { h.register(func(s *simchain.ServiceParams) { s.URL = "http://127.0.0.1:1" }) },
			ask: func(h *hostile) {
				h.eventually("suspended", func() error {
					if code, answer := h.chat(smallBody); code == http.StatusOK {
						return fmt.Errorf("%d %s", code, answer)
					}
					return nil
				})
			},
		},
	}
}

// The scripts with figures in them must not be out of date.
func TestHostileFigures(t *testing.T) {
	if got := zg.OneOG.Mul(12).String(); got != "12000000000000000000" {
		t.Errorf("12 0G are %s", got)
	}
}
