package simprovider

import (
	"context"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Between the receipt of a settlement and the end of the lag the chain shows fees as taken, and the provider claims
// them.
func TestSettlementLags(t *testing.T) {
	s := start(t, func(c *Config) { c.SettleLag, c.AccountCache = time.Hour, -1 })
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
	fee, before := s.Unsettled(s.user), s.chain.accounts[s.user].Balance
	ctx, over := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Settle(ctx) }()
	<-s.chain.settled
	if a, _, err := s.chain.SubAccount(ctx, s.user, s.Address()); err != nil || a.Balance != before.Sub(fee) {
		t.Errorf("balance = %s, %v; want the fee of %s taken", a.Balance, err, fee)
	}
	if got := decode[map[string]string](t, s.get("/v1/user/"+s.user.Hex()+"/unsettledfee").must(t).body)["unsettledFee"]; got != fee.String() {
		t.Errorf("claimed: %s, want %s as before", got, fee)
	}
	s.purse.add(s.user, zg.NeuronOf(7)) // after what is being settled
	over()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := s.Unsettled(s.user); got != zg.NeuronOf(7) {
		t.Errorf("owed after the lag: %s, want only what was not settled", got)
	}
}

// What is never settled is claimed until the next settlement, and then no more, without a debit.
func TestFeesAreReleased(t *testing.T) {
	now := &clock{t: time.Unix(1_800_000_000, 0)}
	s := start(t, func(c *Config) { c.ReleaseEvery, c.PruneAfter, c.Now = 2, time.Hour, now.now })
	s.chain.hold(s.user, og(t, "1"))
	for _, fee := range []string{"0.1", "0.2", "0.3"} {
		s.purse.add(s.user, og(t, fee))
	}
	if got := s.Unsettled(s.user); got != og(t, "0.6") {
		t.Errorf("claimed: %s", got.Og())
	}
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := s.chain.accounts[s.user]; a.Balance != og(t, "0.6") || !s.Unsettled(s.user).IsZero() || s.Released(s.user) != og(t, "0.2") {
		t.Errorf("balance %s, claimed %s, released %s; want 0.4 taken and 0.2 released", a.Balance.Og(), s.Unsettled(s.user).Og(), s.Released(s.user).Og())
	}
	s.chain.broken = true
	s.purse.add(s.user, og(t, "0.5")) // the fourth fee, so never settled
	s.purse.add(s.user, og(t, "0.7"))
	now.advance(59 * time.Minute)
	if err := s.Settle(t.Context()); err == nil || s.Unsettled(s.user) != og(t, "0.7") {
		t.Errorf("claimed: %s, %v; want what could not be taken", s.Unsettled(s.user).Og(), err)
	}
	now.advance(time.Minute)
	if err := s.Settle(t.Context()); err != nil || !s.Unsettled(s.user).IsZero() || s.Released(s.user) != og(t, "1.4") {
		t.Errorf("claimed: %s, %v; want it pruned", s.Unsettled(s.user).Og(), err)
	}
	if billed := s.Billed(s.user); billed != og(t, "1.8") {
		t.Errorf("billed: %s", billed.Og())
	}
}

// The reserve of a job is claimed until the fee takes its place, or nothing does.
func TestReserveOnRow(t *testing.T) {
	s := videoSite(t, func(c *Config) { c.ReserveOnRow = true })
	film := func(prompt string) string {
		created, _ := s.postForm("/v1/proxy/videos", "model", "film-1", "prompt", prompt, "seconds", "7.5", "size", "1280x720")
		return "/v1/proxy/videos/" + decode[videoObject](t, created.must(t).body).ID
	}
	reserve := testPrice.Output.Mul(8)
	path := film("a walk")
	s.last(1) // is on record before the end of the job
	s.get(path).must(t)
	if got := s.Unsettled(s.user); got != reserve || !s.Billed(s.user).IsZero() {
		t.Errorf("while it runs: %s claimed, want the reserve of %s", got, reserve)
	}
	if err := s.Settle(t.Context()); err != nil || len(s.chain.batches) != 0 {
		t.Errorf("%d settlements, %v; want a reserve not to be taken", len(s.chain.batches), err)
	}
	s.get(path).must(t)
	if e := s.last(2); s.Unsettled(s.user) != e.Fee || s.Billed(s.user) != e.Fee || e.Fee.IsZero() {
		t.Errorf("at the end: %s claimed, want the fee of %s", s.Unsettled(s.user), e.Fee)
	}
	failed := film("fail: a walk")
	s.get(failed).must(t)
	if got := s.Unsettled(s.user); got != reserve.Mul(2) {
		t.Errorf("a fee and a reserve: %s", got)
	}
	s.get(failed).must(t)
	if got := s.Unsettled(s.user); got != reserve {
		t.Errorf("after the failure: %s claimed, want its reserve released", got)
	}
}

// A request for sound that is refused after its reserve was written leaves none behind.
func TestReserveOfARefusedRequest(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model, c.ReserveOnRow = zg.AudioGeneration, "voice-1", true })
	s.post("/audio/speech", `{"model":"voice-1","input":""}`).wants(t, 400, "input must not be empty")
	s.last(1)
	if got := s.Unsettled(s.user); !got.IsZero() {
		t.Errorf("%s is claimed", got)
	}
	s.post("/audio/speech", `{"model":"voice-1","input":"one two"}`).must(t)
	if e := s.last(2); s.Unsettled(s.user) != e.Fee || e.Fee.IsZero() {
		t.Errorf("%s claimed, want the fee of %s", s.Unsettled(s.user), e.Fee)
	}
}
