package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
)

// getAllServices is the selector of the call that lists the services.
var getAllServices = crypto.Keccak256([]byte("getAllServices(uint256,uint256)"))[:4]

// unlisted has the endpoint refuse to list services, and answer everything else.
func (w *world) unlisted() {
	w.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
		if method == "eth_call" && bytes.Contains(params, []byte("0x"+common.Bytes2Hex(getAllServices))) {
			return &simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: "this is too much"}}
		}
		return nil
	})
}

// The endpoint lists no services any more, so that the list grows old, and answers everything else. A provider that has changed
// its signer meanwhile gets nothing by itself, and by hand only from whoever is asked.
func TestOldListMovesNothing(t *testing.T) {
	w := newWorld(t, devnet.Config{PriceFactor: 2500})
	h := &hostile{world: w, p: w.net.Providers[1]}
	p := h.p.Address()
	w.env = append(w.net.Env(), "ZGPROXY_PROVIDERS="+p.Hex(), "ZGPROXY_DIRECTORY_REFRESH=100ms", "ZGPROXY_LOG_LEVEL=debug")
	d := w.inProcess()
	sub := func() subReport {
		r := decode[accountReport](w, w.must(args("account --json")))
		return r.sub(p)
	}
	funding := func(reason string) {
		t.Helper()
		w.eventually("known as "+reason, func() error {
			if s := sub(); s.Funding != reason {
				return fmt.Errorf("%q", s.Funding)
			}
			return nil
		})
	}
	w.eventually("topped up and known", func() error {
		if s := sub(); s.Locked.Neuron != fullAmount || s.Pinned == nil {
			return errNotLookedAt
		}
		return nil
	})
	signed := strings.Count(d.log.String(), "transaction signed")

	w.unlisted()
	stranger := func(s *simchain.ServiceParams) { s.TEESigner = common.HexToAddress("0xbad") }
	h.register(stranger)
	h.looked() // else a look that has begun before pays for what is spent now
	h.spend()
	funding("signer_changed")
	fund := "fund " + p.Hex() + " 1 "
	w.must(args(fund+"--dry-run"), "signs with another key")
	w.expect(exitNotConfirmed, args(fund+"--yes"), "signs with another key", "zgproxy provider accept", "Nothing was moved")
	if err := w.net.Chain.RevokeSigner(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	funding("signer_not_acknowledged")
	if err := w.net.Chain.RemoveService(t.Context(), devnet.ProviderKey("beta")); err != nil {
		t.Fatal(err)
	}
	funding("service_gone")
	w.expect(exitRefused, args(fund+"--yes"), "not registered")
	if s := sub(); fullAmount.Less(s.Locked.Neuron) || strings.Count(d.log.String(), "transaction signed") != signed {
		t.Errorf("%s 0G are in the sub-account, and the log says:\n%s", s.Locked.Og, d.log)
	}

	// Without a daemon it is the same.
	h.register(stranger)
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	w.net.Chain.SetFault(nil)
	w.expect(exitNotConfirmed, args(fund+"--yes"), "signs with another key")
	w.must(args(fund+"--yes --force"), "signs with another key", "confirmed")
}
