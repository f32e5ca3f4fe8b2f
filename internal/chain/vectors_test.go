package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// recorded is what the contracts of the network said on a local chain.
type recorded struct {
	Calls   map[string]hexutil.Bytes
	Returns map[string]struct{ Calldata, Answer hexutil.Bytes }
	Errors  []struct {
		Refusal string
		Error   *nodeError
	}
}

func readRecorded(tb testing.TB) recorded {
	tb.Helper()
	raw, err := os.ReadFile("testdata/contract_calls.json")
	if err != nil {
		tb.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(raw, &r); err != nil {
		tb.Fatal(err)
	}
	return r
}

// inputsOf are the arguments of the function with this selector, of either contract.
func inputsOf(sel [4]byte) abi.Arguments {
	for _, contract := range []abi.ABI{bindings.NewLedgerManager().GetABI(), bindings.NewInferenceServing().GetABI()} {
		if m, err := contract.MethodById(sel[:]); err == nil {
			return m.Inputs
		}
	}
	return nil
}

var (
	recordedUser = common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
	neurons      = cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })
	bigs         = cmp.Comparer(func(a, b *big.Int) bool { return a == b || (a != nil && b != nil && a.Cmp(b) == 0) })
)

func TestRecordedCalls(t *testing.T) {
	r := readRecorded(t)
	led, inf := bindings.NewLedgerManager(), bindings.NewInferenceServing()
	got := map[string]hexutil.Bytes{
		"transferFund":         led.PackTransferFund(providerAddr, "inference-v1.0", zg.OneOG.Mul(2).Big()),
		"retrieveFund":         led.PackRetrieveFund([]common.Address{providerAddr, common.HexToAddress("0x90F79bf6EB2c4f870365E785982E1f101E93b906")}, "inference-v1.0"),
		"getAccount":           inf.PackGetAccount(recordedUser, providerAddr),
		"acknowledgeTEESigner": inf.PackAcknowledgeTEESigner(providerAddr, true),
		"addLedger":            led.PackAddLedger(""),
	}
	if diff := cmp.Diff(r.Calls, got); diff != "" {
		t.Errorf("calldata (-recorded +got):\n%s", diff)
	}
}

func TestRecordedAnswers(t *testing.T) {
	r := readRecorded(t)
	n := startNode(t)
	for _, v := range r.Returns {
		for _, to := range []common.Address{ledgerAddr, inferenceAddr} {
			n.on(to, v.Calldata, answer{raw: v.Answer})
		}
	}
	c := n.client(t, func(cfg *Config) { cfg.User = recordedUser })
	ctx := t.Context()

	account, err := read(ctx, c, inferenceAddr, r.Returns["getAccount"].Calldata, nil, c.inf.UnpackGetAccount)
	if err != nil {
		t.Fatalf("getAccount: %v", err)
	}
	got, err := subAccount(account)
	want := zg.SubAccount{
		User: recordedUser, Provider: providerAddr, Nonce: big.NewInt(1004), Balance: zg.OneOG.Mul(2), PendingRefund: zg.OneOG.Mul(2),
		Refunds:      []zg.Refund{{Index: 0, Amount: zg.OneOG.Mul(2), CreatedAt: time.Unix(1795676447, 0)}},
		Acknowledged: true, Generation: 1, RevokedBitmap: new(big.Int),
	}
	if diff := cmp.Diff(want, got, neurons, bigs); err != nil || diff != "" {
		t.Errorf("getAccount: %v (-want +got):\n%s", err, diff)
	}
	if g, err := c.Generation(ctx, providerAddr); g != 1 || err != nil {
		t.Errorf("Generation = %d, %v; want 1", g, err)
	}

	ledger, err := c.ledger(ctx, nil)
	wantLedger := &zg.Ledger{User: recordedUser, Available: zg.OneOG.Mul(8), Total: zg.OneOG.Mul(10)}
	if diff := cmp.Diff(wantLedger, ledger, neurons); err != nil || diff != "" {
		t.Errorf("getLedger: %v (-want +got):\n%s", err, diff)
	}

	wantService := zg.Service{
		Provider: providerAddr, Type: zg.Chatbot, URL: "http://127.0.0.1:9001", InputPrice: zg.NeuronOf(50_000_000_000), OutputPrice: zg.NeuronOf(100_000_000_000),
		UpdatedAt: time.Unix(1795417241, 0), Model: "sim/qwen", Verifiability: "TeeML", Info: zg.ServiceInfo{ProviderType: "decentralized"},
		TEESigner: common.HexToAddress("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"), TEESignerAcknowledged: true,
	}
	dir, err := c.Services(ctx)
	if diff := cmp.Diff([]zg.Service{wantService}, dir.Services, neurons); err != nil || diff != "" {
		t.Errorf("getAllServices: %v (-want +got):\n%s", err, diff)
	}
	one, err := read(ctx, c, inferenceAddr, r.Returns["getService"].Calldata, nil, c.inf.UnpackGetService)
	if err != nil {
		t.Fatalf("getService: %v", err)
	}
	svc, err := service(one)
	if diff := cmp.Diff(wantService, svc, neurons); err != nil || diff != "" {
		t.Errorf("getService: %v (-want +got):\n%s", err, diff)
	}
	providers, err := read(ctx, c, ledgerAddr, r.Returns["getLedgerProviders"].Calldata, nil, c.led.UnpackGetLedgerProviders)
	if err != nil || len(providers) != 1 || providers[0] != providerAddr {
		t.Errorf("getLedgerProviders = %v, %v", providers, err)
	}
}

// Every refusal that was recorded is decoded to its name and arguments, from the data alone.
func TestRecordedRefusals(t *testing.T) {
	for _, v := range readRecorded(t).Errors {
		v.Error.Message = "execution reverted: LedgerNotExists"
		r, ok := DecodeRevert(v.Error)
		if !ok {
			t.Errorf("%s: not decoded", v.Refusal)
			continue
		}
		var args []string
		for _, a := range r.Args {
			args = append(args, fmt.Sprint(a))
		}
		if got := r.Name + "(" + strings.Join(args, ", ") + ")"; got != v.Refusal {
			t.Errorf("decoded as %s, want %s", got, v.Refusal)
		}
	}
}
