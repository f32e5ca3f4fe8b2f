package simchain_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func start(t *testing.T, cfg simchain.Config) *simchain.Chain {
	t.Helper()
	c, err := simchain.Start(cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContractsStandWhereToolsLookForThem(t *testing.T) {
	c := start(t, simchain.Config{})
	if got, want := c.Ledger(), common.HexToAddress("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"); got != want {
		t.Errorf("ledger at %s, want %s", got, want)
	}
	if got, want := c.Inference(), common.HexToAddress("0x0165878A594ca255338adfa4d48449f69242Eb8F"); got != want {
		t.Errorf("inference contract at %s, want %s", got, want)
	}
}

func TestMoneyFlow(t *testing.T) {
	ctx := t.Context()
	c := start(t, simchain.Config{})
	user, err := crypto.GenerateKey()
	must(t, err)
	prov, err := crypto.GenerateKey()
	must(t, err)
	tee, err := crypto.GenerateKey()
	must(t, err)
	userAddr, provAddr := crypto.PubkeyToAddress(user.PublicKey), crypto.PubkeyToAddress(prov.PublicKey)

	must(t, c.Fund(ctx, userAddr, zg.OneOG.Mul(50)))
	must(t, c.Deposit(ctx, user, zg.OneOG.Mul(10)))
	must(t, c.RegisterService(ctx, prov, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "http://127.0.0.1:1", Model: "m", Verifiability: "TeeML", TEESigner: crypto.PubkeyToAddress(tee.PublicKey), OutputPrice: zg.NeuronOf(1),
	}))
	must(t, c.AcknowledgeSigner(ctx, provAddr))
	if _, exists, err := c.SubAccount(ctx, userAddr, provAddr); err != nil || exists {
		t.Fatalf("SubAccount before the first transfer = %v, %v, want none", exists, err)
	}
	must(t, c.Transfer(ctx, user, provAddr, zg.OneOG.Mul(2)))

	statuses, err := c.Settle(ctx, prov, tee, []common.Address{userAddr}, []zg.Neuron{zg.OneOG})
	if err != nil || len(statuses) != 1 || statuses[0] != 0 {
		t.Fatalf("Settle = %v, %v, want success", statuses, err)
	}
	acct, exists, err := c.SubAccount(ctx, userAddr, provAddr)
	must(t, err)
	if !exists || acct.Locked() != zg.OneOG || !acct.Acknowledged {
		t.Errorf("after settling 1 of 2 0G the account is %+v, want 1 0G left and acknowledged", acct)
	}
	if statuses, err = c.Settle(ctx, prov, prov, []common.Address{userAddr}, []zg.Neuron{zg.NeuronOf(1)}); err != nil || statuses[0] != 5 {
		t.Errorf("Settle signed by another key = %v, %v, want status 5", statuses, err)
	}
	if statuses, err = c.Settle(ctx, prov, tee, []common.Address{userAddr}, []zg.Neuron{zg.OneOG.Mul(7)}); err != nil || statuses[0] != 1 {
		t.Errorf("Settle of more than there is = %v, %v, want partial", statuses, err)
	}
}
