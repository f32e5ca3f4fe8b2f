package chain_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// The contracts are replaced under everybody's hands by ones whose structs have more fields, or fewer. What is known of
// them is read, that they have changed is told, and money comes back to the neuron.
func TestNetworkVariants(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	ctx := t.Context()
	provider := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(10)))
	must(t, n.Transfer(ctx, n.key, provider, zg.OneOG.Mul(2)))
	key := seeded(t, "a provider")
	must(t, n.RegisterService(ctx, key, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "http://127.0.0.1:1", Model: "m", Verifiability: "TeeML", AdditionalInfo: "{}",
		InputPrice: zg.NeuronOf(1), OutputPrice: zg.NeuronOf(2), TEESigner: provider,
	}))
	must(t, n.RegisterService(ctx, key, simchain.ServiceParams{ // again: a service that was written by the variant follows
		ServiceType: "chatbot", URL: "http://127.0.0.1:2", Model: "m", Verifiability: "TeeML", AdditionalInfo: "{}",
		InputPrice: zg.NeuronOf(1), OutputPrice: zg.NeuronOf(2), TEESigner: provider,
	}))
	usual, err := n.client.Holdings(ctx)
	must(t, err)
	if changed := n.client.Changed(); len(changed) != 0 {
		t.Errorf("as known, and %v", changed)
	}
	for variant, want := range map[simchain.Variant][]string{
		simchain.Grown: {
			"Account has 2 fields more than are known", "Ledger has 2 fields more than are known",
			"Service has 2 fields more than are known", "ServiceInfo has 2 fields more than are known",
		},
		simchain.Older: {"Account has 2 fields less than are known"},
		simchain.Usual: nil,
	} {
		must(t, n.Upgrade(ctx, variant))
		client := n.open(t, nil)
		must(t, client.Check(ctx))
		h, err := client.Holdings(ctx)
		must(t, err)
		h.Block, h.BlockTime, h.Structs = usual.Block, usual.BlockTime, usual.Structs
		if diff := cmp.Diff(usual, h, cmp.Comparer(func(a, b zg.Neuron) bool { return a == b }), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%q: %s", variant, diff)
		}
		dir, err := client.Services(ctx)
		must(t, err)
		if len(dir.Services) != 1 || dir.Services[0].URL != "http://127.0.0.1:2" || dir.Services[0].TEESigner != provider {
			t.Errorf("%q: services %+v", variant, dir.Services)
		}
		if changed := client.Changed(); !slices.Equal(changed, want) {
			t.Errorf("%q: changed %q, want %q", variant, changed, want)
		}
	}

	must(t, n.Upgrade(ctx, simchain.Grown))
	j, _ := n.journal(t, billing.JournalConfig{})
	n.do(t, j, zg.Intent{Kind: zg.IntentRetrieve, Provider: provider})
	must(t, n.AdvanceTime(usual.LockTime))
	n.do(t, j, zg.Intent{Kind: zg.IntentRetrieve, Provider: provider})
	n.do(t, j, zg.Intent{Kind: zg.IntentRevokeAll, Provider: provider})
	n.do(t, j, zg.Intent{Kind: zg.IntentRefund, Amount: zg.OneOG.Mul(10)})
	h, err := n.client.Holdings(ctx)
	must(t, err)
	if h.Ledger != nil || len(h.Accounts) != 0 {
		t.Errorf("everything came back, and %+v is left", h)
	}
}

// Functions that revert without data, or with an error that nobody knows. What does not need them goes on.
func TestNetworkRefusals(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	ctx := t.Context()
	provider := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(10)))
	must(t, n.Transfer(ctx, n.key, provider, zg.OneOG.Mul(2)))
	for function, part := range map[string]zg.Part{
		"getLedger": zg.PartLedger, "getAccountsByUser": zg.PartAccounts, "lockTime": zg.PartLockTime, "MIN_TRANSFER_AMOUNT": zg.PartMinimums,
	} {
		must(t, n.Refuse(ctx, function, nil))
		h, err := n.open(t, nil).Known(ctx)
		must(t, err)
		if len(h.Unread) != 1 || !strings.Contains(h.Unread[part], "reverted without saying why") {
			t.Errorf("%s refused: unread %v", function, h.Unread)
		}
		must(t, n.Permit(ctx, function))
	}

	frozen := append(crypto.Keccak256([]byte("AccountFrozen(address,uint256)"))[:4], append(common.LeftPadBytes(n.user[:], 32), common.LeftPadBytes([]byte{7}, 32)...)...)
	paused := crypto.Keccak256([]byte("Paused()"))[:4]
	for name, tc := range map[string]struct {
		reason []byte
		says   string
	}{
		"an unknown error": {frozen, "unknown error 0x" + common.Bytes2Hex(frozen[:4]) + "(0x" + common.Bytes2Hex(frozen[4:]) + ")"},
		"paused":           {paused, "Paused()"},
	} {
		must(t, n.Refuse(ctx, "transferFund", tc.reason))
		_, err := n.sender.Sign(ctx, transfer(provider, zg.OneOG, false))
		if r, ok := errors.AsType[*chain.RevertError](err); !ok || !strings.Contains(r.Error(), tc.says) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.says)
		}
	}
	must(t, n.Refuse(ctx, "transferFund", nil))
	if _, err := n.sender.Sign(ctx, transfer(provider, zg.OneOG, false)); err == nil || errors.Is(err, chain.ErrRPC) || !strings.Contains(err.Error(), "reverted without saying why") {
		t.Errorf("refused without data: %v", err)
	}
	if _, err := n.sender.Sign(ctx, zg.Intent{Kind: zg.IntentRetrieve, Provider: provider}); err != nil {
		t.Errorf("money back meanwhile: %v", err)
	}
}
