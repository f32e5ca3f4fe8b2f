package simprovider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestSettle(t *testing.T) {
	s := start(t, func(c *Config) { c.AccountCache = time.Hour })
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
	fee := s.Unsettled(s.user)
	if err := s.Settle(t.Context()); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	account, _, err := s.chain.SubAccount(t.Context(), s.user, s.Address())
	if err != nil || account.Balance != og(t, "10").Sub(fee) || !s.Unsettled(s.user).IsZero() {
		t.Errorf("balance = %s, owed %s, %v; want the fee of %s taken", account.Balance, s.Unsettled(s.user), err, fee)
	}
	if err := s.Settle(t.Context()); err != nil || len(s.chain.batches) != 1 {
		t.Errorf("Settle with nothing owed: %v, %d transactions, want 1 in all", err, len(s.chain.batches))
	}
	// What is cached is as fresh as the settlement.
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Balance = og(t, "1") })
	s.purse.add(s.user, og(t, "0.5"))
	if err := s.Settle(t.Context()); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	s.post(chatPath, chatBody("echo-1", "hi", "")).wants(t, 400, "your locked balance is 0.500000 0G")
}

func TestSettleTakesWhatThereIs(t *testing.T) {
	s := start(t, nil)
	s.chain.hold(s.user, og(t, "2"))
	s.purse.add(s.user, og(t, "3"))
	if err := s.Settle(t.Context()); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	if got := s.Unsettled(s.user); got != zg.OneOG {
		t.Errorf("Unsettled = %s, want the 1 0G that was not there", got.Og())
	}
}

func TestSettleInBatches(t *testing.T) {
	s := start(t, nil)
	for i := range 60 {
		user := common.BigToAddress(seedKey(t, fmt.Sprint(i)).X)
		s.chain.hold(user, zg.OneOG)
		s.purse.add(user, zg.NeuronOf(uint64(i)+1))
	}
	refused := s.purse.debtors()[3]
	s.chain.statuses[refused] = 4
	gone := common.HexToAddress("0x01")
	s.purse.add(gone, zg.OneOG)
	err := s.Settle(t.Context())
	if err == nil || !strings.Contains(err.Error(), refused.Hex()+": the contract refused with status 4") || !strings.Contains(err.Error(), gone.Hex()+": there is no sub-account") {
		t.Errorf("Settle = %v, want both users named", err)
	}
	if len(s.chain.batches) != 2 || len(s.chain.batches[0]) > maxSettlements || len(s.chain.batches[0])+len(s.chain.batches[1]) != 60 {
		t.Errorf("batches of %d and more, want two with all 60", len(s.chain.batches[0]))
	}
	if left := s.purse.debtors(); len(left) != 2 {
		t.Errorf("debtors = %v, want the two that could not be settled", left)
	}
	s.chain.broken = true
	if err := s.Settle(t.Context()); err == nil {
		t.Error("Settle with a broken chain: no error")
	}
}

func TestSettleOnItsOwn(t *testing.T) {
	s := start(t, func(c *Config) { c.SettleEvery = time.Millisecond })
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
	<-s.chain.settled
}
