package simchain_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// recorded is what the network's own contracts answered on a local chain, to the byte. The accounts in it are the widely
// known ones of local test chains, so the same calls from the same accounts must be refused with the same bytes.
type recorded struct {
	Vectors []struct {
		Name, Calldata, DomainSeparator, Digest, Signature string
		Signer                                             common.Address
	}
	Errors []struct {
		Label   string
		EthCall json.RawMessage `json:"eth_call"`
	}
}

func readRecorded(t *testing.T) (r recorded) {
	t.Helper()
	text, err := os.ReadFile("testdata/contract_calls.json")
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || len(r.Errors) == 0 {
		t.Fatalf("recorded answers: %v, %d of them", err, len(r.Errors))
	}
	return r
}

func key(t *testing.T, hex string) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	k, err := crypto.HexToECDSA(hex)
	must(t, err)
	return k, crypto.PubkeyToAddress(k.PublicKey)
}

// stage drives a chain through the situations in which the answers were recorded.
type stage struct {
	*testing.T
	c    *simchain.Chain
	rpc  *rpc.Client
	want map[string]json.RawMessage // not seen yet, by label
}

func (s *stage) call(from, to common.Address, value *big.Int, data []byte) (code int, result string) {
	s.Helper()
	msg := map[string]any{"from": from, "to": to, "data": hexutil.Bytes(data)}
	if value != nil {
		msg["value"] = (*hexutil.Big)(value)
	}
	var out string
	err := s.rpc.CallContext(s.Context(), &out, "eth_call", msg, "latest")
	if err == nil {
		return 0, out
	}
	coded, okCode := errors.AsType[rpc.Error](err)
	refused, okData := errors.AsType[rpc.DataError](err)
	if !okCode || !okData {
		s.Fatalf("call: %v", err)
	}
	text, _ := refused.ErrorData().(string)
	return coded.ErrorCode(), text
}

// check makes a call and compares its answer with the recorded one. exact is false where the recorded amount depends on
// what was done before: then only the kind of refusal is compared.
func (s *stage) check(label string, exact bool, from, to common.Address, value *big.Int, data []byte) {
	s.Helper()
	raw, ok := s.want[label]
	if !ok {
		s.Errorf("%s: not recorded, or checked twice", label)
		return
	}
	delete(s.want, label)
	code, got := s.call(from, to, value, data)
	var refusal struct {
		Error struct {
			Code int
			Data string
		}
	}
	var answer string
	switch {
	case json.Unmarshal(raw, &answer) == nil:
		if code != 0 {
			s.Errorf("%s: refused with %s, the network answers %s", label, got, answer)
		}
	case json.Unmarshal(raw, &refusal) != nil:
		s.Errorf("%s: the record cannot be read", label)
	case code != refusal.Error.Code || (exact && got != refusal.Error.Data) || len(got) < 10 || got[:10] != refusal.Error.Data[:10]:
		s.Errorf("%s:\n got %d %s\nwant %d %s", label, code, got, refusal.Error.Code, refusal.Error.Data)
	}
}

func TestRefusalsAreTheNetworksOwn(t *testing.T) {
	ctx := t.Context()
	c := start(t, simchain.Config{})
	client, err := rpc.DialContext(ctx, c.URL())
	must(t, err)
	defer client.Close()
	s := &stage{T: t, c: c, rpc: client, want: map[string]json.RawMessage{}}
	for _, e := range readRecorded(t).Errors {
		s.want[e.Label] = e.EthCall
	}
	led, inf := bindings.NewLedgerManager(), bindings.NewInferenceServing()
	ledger, inference := c.Ledger(), c.Inference()
	user, userAddr := key(t, "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
	prov, provAddr := key(t, "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
	_, teeAddr := key(t, "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a")
	_, ownerAddr := key(t, "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
	stranger := common.HexToAddress("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc")
	og := func(milli uint64) *big.Int { return zg.OneOG.MulDiv(milli, 1000).Big() }
	maxUint := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	zero := common.Address{}
	none := big.NewInt(0)
	const name = "inference-v1.0"
	params := func(info string) []byte {
		return inf.PackAddOrUpdateService(bindings.ServiceParams{
			ServiceType: "chatbot", Url: "http://127.0.0.1:9001", Model: "sim/qwen", Verifiability: "TeeML", InputPrice: none, OutputPrice: none,
			AdditionalInfo: info, TeeSignerAddress: teeAddr,
		})
	}
	must(t, c.Fund(ctx, userAddr, zg.OneOG.Mul(2000)))
	must(t, c.Fund(ctx, provAddr, zg.OneOG.Mul(500)))

	s.check("addOrUpdateService with stake 99", true, provAddr, inference, og(99_000), params(""))
	must(t, c.RegisterService(ctx, prov, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "http://127.0.0.1:9001", Model: "sim/qwen", Verifiability: "TeeML", TEESigner: teeAddr,
	}))
	must(t, c.AcknowledgeSigner(ctx, provAddr))
	s.check("addOrUpdateService update with value", true, provAddr, inference, big.NewInt(1), params(""))
	s.check("addOrUpdateService additionalInfo 4097 bytes", true, provAddr, inference, nil, params(strings.Repeat("x", 4097)))
	s.check("acknowledgeTEESignerByOwner by non-owner", true, userAddr, inference, nil, inf.PackAcknowledgeTEESignerByOwner(provAddr))
	s.check("acknowledgeTEESignerByOwner unknown provider", true, ownerAddr, inference, nil, inf.PackAcknowledgeTEESignerByOwner(stranger))

	s.check("getLedger missing", true, userAddr, ledger, nil, led.PackGetLedger(userAddr))
	s.check("getAccount missing", true, userAddr, inference, nil, inf.PackGetAccount(userAddr, provAddr))
	s.check("getPendingRefund missing", true, userAddr, inference, nil, inf.PackGetPendingRefund(userAddr, provAddr))
	s.check("isTokenRevoked missing", true, userAddr, inference, nil, inf.PackIsTokenRevoked(userAddr, provAddr, 1))
	s.check("accountExists missing", true, userAddr, inference, nil, inf.PackAccountExists(userAddr, provAddr))
	s.check("getService missing", true, userAddr, inference, nil, inf.PackGetService(userAddr))
	s.check("getLedgerProviders unknown service name", true, userAddr, ledger, nil, led.PackGetLedgerProviders(userAddr, "nope"))
	s.check("getLedgerProviders of user without ledger", true, userAddr, ledger, nil, led.PackGetLedgerProviders(userAddr, name))
	s.check("getServiceInfo unknown address", true, userAddr, ledger, nil, led.PackGetServiceInfo(stranger))
	s.check("getServiceAddressByName unknown", true, userAddr, ledger, nil, led.PackGetServiceAddressByName("nope"))
	s.check("getRecommendedService unknown type", true, userAddr, ledger, nil, led.PackGetRecommendedService("nope"))
	s.check("getAllServices limit 51", true, userAddr, inference, nil, inf.PackGetAllServices(none, big.NewInt(51)))
	s.check("getAllAccounts limit 51", true, userAddr, inference, nil, inf.PackGetAllAccounts(none, big.NewInt(51)))
	s.check("getAllServices offset beyond", true, userAddr, inference, nil, inf.PackGetAllServices(big.NewInt(9), big.NewInt(50)))
	s.check("getAllLedgers limit max uint, offset 0", true, userAddr, ledger, nil, led.PackGetAllLedgers(none, maxUint))
	s.check("getBatchAccountsByUsers 501", true, userAddr, inference, nil, inf.PackGetBatchAccountsByUsers(make([]common.Address, 501)))

	s.check("addLedger 2.999", true, userAddr, ledger, og(2999), led.PackAddLedger(""))
	s.check("depositFund 1 (no ledger)", true, userAddr, ledger, og(1000), led.PackDepositFund())
	s.check("depositFund 0", true, userAddr, ledger, nil, led.PackDepositFund())
	s.check("depositFundFor zero address", true, userAddr, ledger, og(3000), led.PackDepositFundFor(zero))
	s.check("depositFundFor 0", true, userAddr, ledger, nil, led.PackDepositFundFor(userAddr))
	s.check("depositFundFor 1, recipient has no ledger", true, userAddr, ledger, og(1000), led.PackDepositFundFor(stranger))
	s.check("addLedger additionalInfo 4097", true, userAddr, ledger, og(3000), led.PackAddLedger(strings.Repeat("x", 4097)))
	s.check("transferFund without ledger", true, userAddr, ledger, nil, led.PackTransferFund(provAddr, name, og(1000)))
	s.check("refund without ledger", true, userAddr, ledger, nil, led.PackRefund(og(1000)))
	s.check("deleteLedger without ledger", true, userAddr, ledger, nil, led.PackDeleteLedger())
	s.check("plain value transfer to the ledger", true, userAddr, ledger, og(1000), nil)

	must(t, c.Deposit(ctx, user, zg.OneOG.Mul(20).Add(zg.NeuronOf(1))))
	s.check("addLedger again", true, userAddr, ledger, og(3000), led.PackAddLedger(""))
	s.check("acknowledgeTEESigner without sub-account", true, userAddr, inference, nil, inf.PackAcknowledgeTEESigner(provAddr, true))
	s.check("revokeToken without sub-account", true, userAddr, inference, nil, inf.PackRevokeToken(provAddr, 1))
	s.check("transferFund 0.999 new sub-account", true, userAddr, ledger, nil, led.PackTransferFund(provAddr, name, og(999)))
	s.check(`transferFund wrong service name "inference"`, true, userAddr, ledger, nil, led.PackTransferFund(provAddr, "inference", og(1000)))
	s.check("transferFund more than available", true, userAddr, ledger, nil, led.PackTransferFund(provAddr, name, og(1_000_000)))
	s.check("transferFund to self (inner ProviderCannotBeUser)", true, userAddr, ledger, nil, led.PackTransferFund(userAddr, name, og(1000)))
	s.check("transferFund to zero address (inner InvalidAddress)", true, userAddr, ledger, nil, led.PackTransferFund(zero, name, og(1000)))
	s.check("addAccount called directly", true, userAddr, inference, nil, inf.PackAddAccount(userAddr, provAddr, ""))

	must(t, c.Transfer(ctx, user, provAddr, zg.OneOG.Mul(3).Add(zg.NeuronOf(1_000_000_000_000))))
	s.check("acknowledgeTEESigner(false) with balance", true, userAddr, inference, nil, inf.PackAcknowledgeTEESigner(provAddr, false))
	s.check("settle empty", true, provAddr, inference, nil, inf.PackSettleFeesWithTEE(nil))
	items := make([]bindings.TEESettlementData, 51)
	for i := range items {
		items[i] = bindings.TEESettlementData{TotalFee: none, Nonce: none}
	}
	s.check("settle 51", true, provAddr, inference, nil, inf.PackSettleFeesWithTEE(items))

	// Partial top-ups during pending refunds leave one more refund each time.
	for i := range uint64(5) {
		must(t, c.Retrieve(ctx, user, provAddr))
		must(t, c.Transfer(ctx, user, provAddr, zg.OneOG.MulDiv(1, 10).MulDiv(1, pow10(i))))
	}
	s.check("retrieveFund with 5 live refunds", true, userAddr, ledger, nil, led.PackRetrieveFund([]common.Address{provAddr}, name))
	s.check("retrieveFund 21 providers", true, userAddr, ledger, nil, led.PackRetrieveFund(make([]common.Address, 21), name))
	s.check("retrieveFund unknown service", true, userAddr, ledger, nil, led.PackRetrieveFund([]common.Address{provAddr}, "nope"))
	s.check("retrieveFund provider without account (skipped)", true, userAddr, ledger, nil, led.PackRetrieveFund([]common.Address{stranger}, name))

	available := zg.OneOG.Mul(17).Add(zg.NeuronOf(1)).Sub(zg.NeuronOf(1_000_000_000_000))
	s.check("refund leaving 2.9", true, userAddr, ledger, nil, led.PackRefund(available.Sub(zg.OneOG.MulDiv(29, 10)).Big()))
	s.check("refund too much", true, userAddr, ledger, nil, led.PackRefund(og(1_000_000)))
	s.check("deleteLedger with funds", false, userAddr, ledger, nil, led.PackDeleteLedger())

	must(t, c.AdvanceTime(25*time.Hour))
	must(t, c.Retrieve(ctx, user, provAddr))
	must(t, c.AdvanceTime(25*time.Hour))
	must(t, c.Retrieve(ctx, user, provAddr))
	must(t, c.Refund(ctx, user, zg.OneOG.Mul(20).Add(zg.NeuronOf(1))))
	s.check("getLedger after auto-delete", true, userAddr, ledger, nil, led.PackGetLedger(userAddr))
	s.check("getAccount after auto-delete", true, userAddr, inference, nil, inf.PackGetAccount(userAddr, provAddr))

	for label := range s.want {
		t.Errorf("%q is recorded and was not checked", label)
	}
}

func pow10(n uint64) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

func TestSettlementIsSignedAsTheNetworkDoes(t *testing.T) {
	c := start(t, simchain.Config{})
	for _, v := range readRecorded(t).Vectors {
		if v.Name != "settlement" {
			continue
		}
		item := bindings.TEESettlementData{
			User: common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"), Provider: common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
			TotalFee: big.NewInt(250_000_000_000_000_000), Nonce: big.NewInt(777_777),
			RequestsHash: common.HexToHash("0x21c55cde1a8b741b30d8e78ab6d05799cd8b24f366a420a4049982f13704a49c"), Signature: common.FromHex(v.Signature),
		}
		if got := hexutil.Encode(simchain.SettlementDigest(big.NewInt(simchain.DefaultChainID), c.Inference(), item)); got != v.Digest {
			t.Errorf("digest = %s, want %s", got, v.Digest)
		}
		inf := bindings.NewInferenceServing()
		if got := hexutil.Encode(inf.PackSettleFeesWithTEE([]bindings.TEESettlementData{item})); got != v.Calldata {
			t.Errorf("calldata = %.100s…, want %.100s…", got, v.Calldata)
		}
		client, err := rpc.DialContext(context.Background(), c.URL())
		must(t, err)
		defer client.Close()
		s := &stage{T: t, c: c, rpc: client}
		if code, got := s.call(item.User, c.Inference(), nil, inf.PackDomainSeparator()); code != 0 || got != v.DomainSeparator {
			t.Errorf("domain separator = %s, want %s", got, v.DomainSeparator)
		}
		return
	}
	t.Fatal("no settlement is recorded")
}
