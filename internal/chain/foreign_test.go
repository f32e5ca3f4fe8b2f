package chain_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What was done elsewhere is found by its nonces, all of it; and where the node keeps no old states, what went to
// providers is.
func TestTrace(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	from, err := n.sender.BlockNumber(t.Context())
	must(t, err)
	first, err := n.sender.Nonce(t.Context())
	must(t, err)
	key := seeded(t, "provider of a test")
	provider := crypto.PubkeyToAddress(key.PublicKey)
	must(t, n.Fund(t.Context(), provider, zg.OneOG.Mul(200)))
	must(t, n.RegisterService(t.Context(), key, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "https://provider.test", Model: "m", Verifiability: "TeeML", InputPrice: zg.NeuronOf(1), OutputPrice: zg.NeuronOf(1), TEESigner: provider,
	}))
	must(t, n.AcknowledgeSigner(t.Context(), provider))
	must(t, n.Deposit(t.Context(), n.key, zg.OneOG.Mul(20)))
	for range 3 {
		must(t, n.Transfer(t.Context(), n.key, provider, zg.OneOG.Mul(5)))
	}
	must(t, n.Retrieve(t.Context(), n.key, provider))
	n.Mine()
	to, err := n.sender.BlockNumber(t.Context())
	must(t, err)
	want := []zg.MinedTx{
		{Nonce: first, OK: true, Kind: zg.IntentDeposit, Amount: zg.OneOG.Mul(20)},
		{Nonce: first + 1, OK: true, Kind: zg.IntentTransfer, Provider: provider, Amount: zg.OneOG.Mul(5)},
		{Nonce: first + 2, OK: true, Kind: zg.IntentTransfer, Provider: provider, Amount: zg.OneOG.Mul(5)},
		{Nonce: first + 3, OK: true, Kind: zg.IntentTransfer, Provider: provider, Amount: zg.OneOG.Mul(5)},
		{Nonce: first + 4, OK: true, Kind: zg.IntentRetrieve},
	}
	nonces := []uint64{first, first + 1, first + 2, first + 3, first + 4}
	same := []cmp.Option{cmpopts.IgnoreFields(zg.MinedTx{}, "Block", "Hash", "At"), cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })}
	found, err := n.sender.Trace(t.Context(), nonces, from, to)
	if diff := cmp.Diff(want, found, same...); diff != "" || err != nil {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	for _, f := range found {
		if r, err := n.sender.Receipt(t.Context(), f.Hash); err != nil || r == nil || r.Block != f.Block || f.At.IsZero() {
			t.Errorf("%+v has the receipt %+v, %v", f, r, err)
		}
	}
	if found, err := n.sender.Trace(t.Context(), []uint64{first + 2}, from, to); err != nil || len(found) != 1 || found[0].Nonce != first+2 {
		t.Errorf("one of them: %+v, %v", found, err)
	}
	if found, err := n.sender.Trace(t.Context(), []uint64{first + 5}, from, to); err != nil || len(found) != 0 {
		t.Errorf("one that is not there: %+v, %v", found, err)
	}
	for name, c := range map[string]struct {
		refused []string
		left    []zg.MinedTx
	}{
		"no events":          {[]string{"eth_getLogs"}, want},
		"no old states":      {[]string{"eth_getTransactionCount"}, want},
		"no blocks":          {[]string{"eth_getTransactionCount", "full"}, want[1:4]},
		"nothing but blocks": {[]string{"eth_getTransactionCount", "eth_getLogs"}, want},
	} {
		n.SetFault(func(m string, params []byte) *simchain.Fault {
			if !slices.Contains(c.refused, m) && (!bytes.Contains(params, []byte("true")) || !slices.Contains(c.refused, "full")) {
				return nil
			}
			return &simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: "missing trie node"}}
		})
		found, err = n.sender.Trace(t.Context(), nonces, from, to)
		if diff := cmp.Diff(c.left, found, same...); diff != "" || (err == nil) != (len(c.left) == len(want)) {
			t.Errorf("%s: %v; -want +got:\n%s", name, err, diff)
		}
	}
}
