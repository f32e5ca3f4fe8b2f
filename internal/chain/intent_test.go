package chain

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Every kind of transaction calls the right function of the right contract, with its own bounds of gas.
func TestSignEveryKind(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	const name = "inference-v1.0"
	for _, tt := range []struct {
		in    zg.Intent
		to    common.Address
		data  []byte
		value zg.Neuron
	}{
		{topUp(zg.OneOG), ledgerAddr, c.led.PackTransferFund(providerAddr, name, zg.OneOG.Big()), zg.Neuron{}},
		{zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG.Mul(3)}, ledgerAddr, c.led.PackDepositFund(), zg.OneOG.Mul(3)},
		{zg.Intent{Kind: zg.IntentRetrieve, Provider: providerAddr}, ledgerAddr, c.led.PackRetrieveFund([]common.Address{providerAddr}, name), zg.Neuron{}},
		{
			zg.Intent{Kind: zg.IntentRetrieve, Provider: providerAddr, Also: []common.Address{{1}, {2}}},
			ledgerAddr,
			c.led.PackRetrieveFund([]common.Address{providerAddr, {1}, {2}}, name),
			zg.Neuron{},
		},
		{zg.Intent{Kind: zg.IntentRefund, Amount: zg.OneOG}, ledgerAddr, c.led.PackRefund(zg.OneOG.Big()), zg.Neuron{}},
		{zg.Intent{Kind: zg.IntentAcknowledge, Provider: providerAddr}, inferenceAddr, c.inf.PackAcknowledgeTEESigner(providerAddr, true), zg.Neuron{}},
		{zg.Intent{Kind: zg.IntentWithdraw, Provider: providerAddr}, inferenceAddr, c.inf.PackAcknowledgeTEESigner(providerAddr, false), zg.Neuron{}},
		{zg.Intent{Kind: zg.IntentRevoke, Provider: providerAddr, TokenIDs: []int{9}}, inferenceAddr, c.inf.PackRevokeToken(providerAddr, 9), zg.Neuron{}},
		{
			zg.Intent{Kind: zg.IntentRevoke, Provider: providerAddr, TokenIDs: []int{9, 0, 254}},
			inferenceAddr,
			c.inf.PackRevokeTokens(providerAddr, []uint8{9, 0, 254}),
			zg.Neuron{},
		},
		{zg.Intent{Kind: zg.IntentRevokeAll, Provider: providerAddr}, inferenceAddr, c.inf.PackRevokeAllTokens(providerAddr), zg.Neuron{}},
	} {
		s, gas := NewSender(c, signTest, SenderConfig{MaxFeePerGas: gweis(100)}), gasOf(tt.in)
		for _, estimate := range []uint64{1, gas.floor, gas.most(), gas.most() + 1} {
			n.method("eth_estimateGas", hexutil.Uint64(estimate), nil)
			tx, err := s.Sign(t.Context(), tt.in)
			if estimate > gas.most() {
				if err == nil || tx.Raw != nil {
					t.Errorf("%s with %d gas was signed", tt.in.Kind, estimate)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", tt.in.Kind, err)
			}
			inner := decodeTx(t, tx)
			if *inner.To() != tt.to || string(inner.Data()) != string(tt.data) || inner.Value().Cmp(tt.value.Big()) != 0 || tx.Cancels {
				t.Errorf("%s: to %s with %s and %x", tt.in.Kind, inner.To(), inner.Value(), inner.Data())
			}
			if want := min(max(gas.floor, estimate+estimate/5), gas.most()); inner.Gas() != want || tx.GasLimit != want {
				t.Errorf("%s estimated at %d has %d gas, want %d", tt.in.Kind, estimate, inner.Gas(), want)
			}
		}
	}
}

// What needs more gas than the owner was shown is not signed; the allowance on top of the estimate gives way before
// that.
func TestSignWithTheGasThatWasShown(t *testing.T) {
	n := startNode(t)
	s := NewSender(n.client(t), signTest, SenderConfig{MaxFeePerGas: gweis(100)})
	in := zg.Intent{Kind: zg.IntentRefund, Amount: zg.OneOG}
	for _, tt := range []struct {
		piled            int
		estimate, signed uint64
	}{
		{0, 77_000, 150_000},
		{0, 450_000, 500_000},
		{0, 500_000, 500_000},
		{0, 500_001, 0},
		{3, 500_001, 600_001},
		{8, 2_532_020, 3_038_424},
		{8, 4_500_001, 0},
		{50, 25_400_000, 25_500_000},
		{90, 25_500_001, 0},
		{-1, 77_000, 150_000},
	} {
		in.MaxGas = MaxGas(in, tt.piled)
		n.method("eth_estimateGas", hexutil.Uint64(tt.estimate), nil)
		tx, err := s.Sign(t.Context(), in)
		if tx.GasLimit != tt.signed || (err == nil) != (tt.signed > 0) {
			t.Errorf("estimated at %d with %d sub-accounts: %d gas, %v; want %d", tt.estimate, tt.piled, tx.GasLimit, err, tt.signed)
		}
		if tt.piled < 50 && tt.signed == 0 && !errors.Is(err, ErrMoreGas) {
			t.Errorf("estimated at %d: %v", tt.estimate, err)
		}
	}
}

// What was decided for a missing sub-account is not done to one that is there, and the other way round.
func TestSignWhatWasDecided(t *testing.T) {
	for _, exists := range []bool{false, true} {
		for _, opening := range []bool{false, true} {
			n := startNode(t)
			c := n.client(t)
			n.on(inferenceAddr, c.inf.PackAccountExists(userAddr, providerAddr), values(exists))
			in := topUp(zg.OneOG)
			in.Opening = opening
			tx, err := NewSender(c, signTest, SenderConfig{MaxFeePerGas: gweis(100)}).Sign(t.Context(), in)
			if fits := exists != opening; errors.Is(err, ErrDecidedOtherwise) == fits || (tx.Raw != nil) != fits {
				t.Errorf("a sub-account %v, decided for an opening %v: %v", exists, opening, err)
			}
		}
	}
}

// The wallet has to hold the value and all the gas at the highest price, to the neuron.
func TestSignWhatTheWalletCanPay(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	tx, err := s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG})
	if err != nil {
		t.Fatal(err)
	}
	need := zg.OneOG.Add(tx.FeeCap.Mul(tx.GasLimit))
	for _, tt := range []struct {
		has zg.Neuron
		ok  bool
	}{{need, true}, {need.Sub(zg.NeuronOf(1)), false}, {zg.OneOG, false}} {
		n.method("eth_getBalance", hexutil.EncodeBig(tt.has.Big()), nil)
		if _, err := s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG}); errors.Is(err, ErrInsufficientFunds) == tt.ok {
			t.Errorf("with %s neuron: %v", tt.has, err)
		}
	}
	n.method("eth_getBalance", "0x1"+hexutil.EncodeBig(new(big.Int).Lsh(big.NewInt(1), 300))[2:], nil)
	_, err = s.Sign(t.Context(), topUp(zg.OneOG))
	wantErr(t, "an impossible balance", err, ErrRPC)
}

// A cancellation uses the nonce up and moves nothing, whatever it takes the place of.
func TestCancel(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	first, err := s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG})
	if err != nil {
		t.Fatal(err)
	}
	n.method("eth_getTransactionCount", "0x63", nil)
	prev := first
	for i, next := range []func() (zg.SignedTx, error){
		func() (zg.SignedTx, error) { return s.Cancel(t.Context(), first) },
		func() (zg.SignedTx, error) { return s.Replace(t.Context(), prev) }, // stays a cancellation
		func() (zg.SignedTx, error) { return s.Cancel(t.Context(), prev) },
	} {
		tx, err := next()
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		a, b := decodeTx(t, prev), decodeTx(t, tx)
		if !tx.Cancels || b.Nonce() != a.Nonce() || *b.To() != userAddr || b.Value().Sign() != 0 || len(b.Data()) != 0 || b.Gas() != 21_000 {
			t.Errorf("%d: %+v", i, b)
		}
		for _, fee := range [][2]*big.Int{{a.GasTipCap(), b.GasTipCap()}, {a.GasFeeCap(), b.GasFeeCap()}} {
			if new(big.Int).Mul(fee[1], big.NewInt(10)).Cmp(new(big.Int).Mul(fee[0], big.NewInt(11))) < 0 {
				t.Errorf("%d: a fee went from %s to %s, less than a tenth more", i, fee[0], fee[1])
			}
		}
		prev = tx
	}
	_, err = n.sender(t, first.FeeCap).Cancel(t.Context(), first)
	wantErr(t, "a cancellation above the limit", err, ErrFeeTooHigh)
	n.method("eth_chainId", "0x1", nil)
	_, err = s.Cancel(t.Context(), first)
	wantErr(t, "Cancel on another chain", err, ErrWrongNetwork)
	if _, err := s.Cancel(t.Context(), zg.SignedTx{}); err == nil {
		t.Error("nothing was cancelled")
	}
}
