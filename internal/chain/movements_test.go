package chain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Everything that changes a sub-account shows in the movements, and only debits are taken for debits.
func TestNetworkMovements(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	key, tee := seeded(t, "provider"), seeded(t, "tee")
	provider := crypto.PubkeyToAddress(key.PublicKey)
	must(t, n.Fund(ctx, provider, zg.OneOG.Mul(5)))
	must(t, n.RegisterService(ctx, key, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "http://127.0.0.1:9001", Model: "echo-1", Verifiability: "TeeML", TEESigner: crypto.PubkeyToAddress(tee.PublicKey),
	}))
	must(t, n.AcknowledgeSigner(ctx, provider))
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(20)))

	from, err := n.sender.BlockNumber(ctx)
	must(t, err)
	// movements are those since the last call.
	movements := func() zg.Movements {
		t.Helper()
		to, err := n.sender.BlockNumber(ctx)
		must(t, err)
		m, err := n.client.Movements(ctx, from+1, to)
		must(t, err)
		h, err := n.client.Holdings(ctx)
		must(t, err)
		if last, ok := m.Last[provider]; ok {
			if want := (zg.Standing{Balance: h.Accounts[provider].Balance, PendingRefund: h.Accounts[provider].PendingRefund}); last != want {
				t.Errorf("events say %+v, the contract %+v", last, want)
			}
		}
		from = to
		return m
	}
	amounts := func(m zg.Movements) (out []string) {
		for _, s := range m.Settlements {
			if s.Provider != provider || s.Tx == (common.Hash{}) || s.Block == 0 {
				t.Errorf("a settlement is %+v", s)
			}
			out = append(out, s.Amount.String())
		}
		return out
	}
	settle := func(fees ...uint64) {
		t.Helper()
		var users []common.Address
		var amounts []zg.Neuron
		for _, f := range fees {
			users, amounts = append(users, n.user), append(amounts, zg.NeuronOf(f))
		}
		_, err := n.Settle(ctx, key, tee, users, amounts)
		must(t, err)
	}

	must(t, n.Transfer(ctx, n.key, provider, zg.OneOG.Mul(5)))
	must(t, n.Transfer(ctx, n.key, provider, zg.OneOG))
	if m := movements(); len(m.Settlements) != 0 || m.Last[provider].Balance != zg.OneOG.Mul(6) {
		t.Errorf("opening and a top-up: %+v", m)
	}
	settle(7, 9)
	settle(0) // moves the settlement's nonce and nothing else
	must(t, n.Transfer(ctx, n.key, provider, zg.OneOG))
	settle(11)
	m := movements()
	if diff := cmp.Diff([]string{"7", "9", "11"}, amounts(m)); diff != "" {
		t.Errorf("three debits around a top-up (-want +got):\n%s", diff)
	}
	for i, want := range []int{0, 1, 0} { // in its transaction, wherever in a block that is
		if m.Settlements[i].Index != want {
			t.Errorf("debit %d is number %d in its transaction, want %d", i, m.Settlements[i].Index, want)
		}
	}
	must(t, n.Retrieve(ctx, n.key, provider))
	settle(13) // out of what is on its way back
	if diff := cmp.Diff([]string{"13"}, amounts(movements())); diff != "" {
		t.Errorf("a debit during a refund (-want +got):\n%s", diff)
	}
	must(t, n.AdvanceTime(25*time.Hour))
	must(t, n.Retrieve(ctx, n.key, provider))
	if m := movements(); len(m.Settlements) != 0 || !m.Last[provider].Balance.IsZero() {
		t.Errorf("a refund: %+v", m)
	}
	if m := movements(); len(m.Settlements) != 0 || len(m.Last) != 0 {
		t.Errorf("nothing happened: %+v", m)
	}
	if _, err := n.client.Movements(ctx, 1, 10_000_000); !errors.Is(err, chain.ErrTooFar) {
		t.Errorf("ten million blocks: %v", err)
	}
	// A range of several calls has no gap.
	var ranges []string
	n.SetFault(func(method string, params []byte) *simchain.Fault {
		if method != "eth_getLogs" {
			return nil
		}
		var q []struct{ FromBlock, ToBlock string }
		if err := json.Unmarshal(params, &q); err != nil || len(q) != 1 {
			t.Errorf("eth_getLogs %s: %v", params, err)
			return nil
		}
		ranges = append(ranges, q[0].FromBlock+"-"+q[0].ToBlock)
		return &simchain.Fault{Result: json.RawMessage("[]")}
	})
	_, err = n.client.Movements(ctx, 0, 10_000)
	must(t, err)
	if diff := cmp.Diff([]string{"0x0-0x1387", "0x1388-0x270f", "0x2710-0x2710"}, ranges); diff != "" {
		t.Errorf("10,001 blocks (-want +got):\n%s", diff)
	}
}

// Whatever does not fit together is an error as a whole, never a part of the truth.
func TestMovementsThatLie(t *testing.T) {
	n := startNetwork(t)
	us, service := common.BytesToHash(n.user[:]).Hex(), common.BytesToHash(n.Inference().Bytes()).Hex()
	provider := common.BytesToHash(common.Address{9}.Bytes()).Hex()
	spentTopic := crypto.Keccak256Hash([]byte("FundSpent(address,address,uint256)")).Hex()
	balanceTopic := crypto.Keccak256Hash([]byte("BalanceUpdated(address,address,uint256,uint256)")).Hex()
	word := func(v int64) string { return fmt.Sprintf("%064x", v) }
	entry := func(index int, change func(map[string]any)) map[string]any {
		e := map[string]any{
			"address": n.Ledger().Hex(), "topics": []string{spentTopic, us, service}, "data": "0x" + word(5), "blockNumber": "0x7",
			"transactionHash": common.Hash{1}.Hex(), "transactionIndex": "0x0", "blockHash": common.Hash{2}.Hex(), "logIndex": fmt.Sprintf("%#x", index), "removed": false,
		}
		if change != nil {
			change(e)
		}
		return e
	}
	balance := func(index int, change func(map[string]any)) map[string]any {
		return entry(index, func(e map[string]any) {
			e["address"], e["topics"], e["data"] = n.Inference().Hex(), []string{balanceTopic, us, provider}, "0x"+word(95)+word(0)
			if change != nil {
				change(e)
			}
		})
	}
	set := func(key string, v any) func(map[string]any) { return func(e map[string]any) { e[key] = v } }
	huge := "0x" + strings.Repeat("f", 64)
	var answer any
	n.SetFault(func(method string, _ []byte) *simchain.Fault {
		if method != "eth_getLogs" {
			return nil
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			t.Error(err)
		}
		return &simchain.Fault{Result: raw}
	})
	for name, logs := range map[string][]map[string]any{
		"removed by a reorganisation":      {entry(0, set("removed", true)), balance(1, nil)},
		"of a block that was not asked":    {entry(0, set("blockNumber", "0x63")), balance(1, nil)},
		"of another wallet":                {entry(0, set("topics", []string{spentTopic, provider, service})), balance(1, nil)},
		"a debit without a sub-account":    {entry(0, nil)},
		"two debits of one sub-account":    {entry(0, nil), entry(1, nil), balance(2, nil)},
		"of another transaction":           {entry(0, nil), balance(1, set("transactionHash", common.Hash{3}.Hex()))},
		"twice":                            {entry(0, nil), balance(1, nil), entry(0, nil), balance(1, nil)},
		"out of order":                     {balance(3, nil), balance(1, nil)},
		"earlier after later":              {balance(3, nil), balance(4, set("blockNumber", "0x6"))},
		"of a contract that is not ours":   {entry(0, set("address", n.user.Hex())), balance(1, nil)},
		"a balance of the ledger":          {balance(1, set("address", n.Ledger().Hex()))},
		"without topics":                   {entry(0, set("topics", []string{})), balance(1, nil)},
		"with too few topics":              {entry(0, set("topics", []string{spentTopic, us})), balance(1, nil)},
		"an event nobody asked for":        {entry(0, set("topics", []string{provider, us, service}))},
		"with too little data":             {entry(0, set("data", "0x01")), balance(1, nil)},
		"a balance with too much data":     {balance(1, set("data", "0x"+word(1)+word(2)+word(3)))},
		"a debit followed by another kind": {entry(0, nil), balance(1, set("topics", []string{provider, us, service}))},
	} {
		answer = logs
		if m, err := n.client.Movements(t.Context(), 1, 50); err == nil {
			t.Errorf("%s: taken for %+v", name, m)
		}
	}
	// The greatest of all numbers is one.
	answer = []map[string]any{entry(0, set("data", huge)), balance(1, set("data", huge+strings.Repeat("0", 64)))}
	if m, err := n.client.Movements(t.Context(), 1, 50); err != nil || len(m.Settlements) != 1 || m.Settlements[0].Amount != zg.MaxNeuron {
		t.Errorf("the greatest amount: %+v, %v", m, err)
	}
	answer = []map[string]any{entry(0, set("topics", []string{spentTopic, us, provider})), balance(1, nil)}
	if m, err := n.client.Movements(t.Context(), 1, 50); err != nil || len(m.Settlements) != 0 {
		t.Errorf("a debit of another service: %+v, %v", m, err)
	}
}
