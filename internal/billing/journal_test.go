package billing

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// attempt is a Do under way.
type attempt struct {
	cancel context.CancelFunc
	done   chan struct{}
	entry  Entry
	err    error
	seen   []string // what it was notified of
}

// attempt starts a Do and lets it run as far as it comes without waiting.
func (n *network) attempt(j *Journal, in zg.Intent, origin Origin) *attempt {
	ctx, cancel := context.WithCancel(context.Background())
	a := &attempt{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.entry, a.err = j.Do(ctx, in, origin, func(e Entry) {
			a.seen = append(a.seen, fmt.Sprintf("%s txs=%d sent=%v block=%d depth=%d", e.State, len(e.Txs), e.Sent, e.Block, e.Depth))
		})
	}()
	n.t.Cleanup(cancel)
	synctest.Wait()
	return a
}

func (a *attempt) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// stop gives the Do up, as the end of the process does.
func (a *attempt) stop() {
	a.cancel()
	<-a.done
}

// wants checks how a Do ended.
func (a *attempt) wants(t *testing.T, state EntryState, txs int) {
	t.Helper()
	if a.running() {
		t.Errorf("it has not ended; want it %s", state)
		a.stop()
		return
	}
	if a.err != nil || a.entry.State != state || len(a.entry.Txs) != txs || a.entry.EndedAt.IsZero() {
		t.Errorf("%+v, %v; want it %s, after %d transactions", a.entry, a.err, state, txs)
	}
}

var deposit = zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG}

// errs is what a journal reported last.
type errs struct{ last error }

func (e *errs) report(err error) { e.last = err }

func TestJournalDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		reg := prometheus.NewRegistry()
		j := n.journal(s, JournalConfig{Wallet: "1/a", Confirmations: 3, Registerer: reg})
		for i, in := range []zg.Intent{
			deposit,
			{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG, Opening: true},
			{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG},
			{Kind: zg.IntentAcknowledge, Provider: alice},
			{Kind: zg.IntentRetrieve, Provider: alice},
			{Kind: zg.IntentRefund, Amount: zg.OneOG},
			{Kind: zg.IntentRevoke, Provider: alice, TokenIDs: []int{7}},
			{Kind: zg.IntentRevokeAll, Provider: alice},
			{Kind: zg.IntentWithdraw, Provider: alice},
		} {
			a := n.attempt(j, in, OriginHand)
			if v := testutil.ToFloat64(j.metrics.pending); v != 1 {
				t.Errorf("pending %v while one is", v)
			}
			advance(time.Second)
			n.blocks(1)
			advance(time.Second)
			if !a.running() {
				t.Errorf("%s ended with two of three blocks", in.Kind)
			}
			n.blocks(1)
			advance(time.Second)
			a.wants(t, EntryMined, 1)
			block := 101 + 3*i
			if diff := cmp.Diff([]string{
				"signed txs=1 sent=false block=0 depth=0", "signed txs=1 sent=true block=0 depth=0", fmt.Sprintf("signed txs=1 sent=true block=%d depth=1", block),
				fmt.Sprintf("signed txs=1 sent=true block=%d depth=2", block), fmt.Sprintf("signed txs=1 sent=true block=%d depth=3", block),
				fmt.Sprintf("mined txs=1 sent=true block=%d depth=0", block),
			}, a.seen); diff != "" {
				t.Errorf("notified (-want +got):\n%s", diff)
			}
			e := topUps(t, s)[0]
			if diff := cmp.Diff(e, a.entry, compareAmounts, cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Errorf("what is returned is not what is recorded (-store +returned):\n%s", diff)
			}
			if !reflect.DeepEqual(e.Intent, in) || e.Nonce != uint64(5+i) || e.GasCost != zg.NeuronOf(2*93_600) || e.Origin != OriginHand {
				t.Errorf("on record: %+v", e)
			}
		}
		if n.locked(alice) != "2" {
			t.Errorf("the sub-account has %s 0G", n.locked(alice))
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP zgproxy_gas_spent_neuron_total Gas paid by the wallet, in neuron (10^-18 0G), including that of transactions that reverted.
# TYPE zgproxy_gas_spent_neuron_total counter
zgproxy_gas_spent_neuron_total 1.6848e+06
# HELP zgproxy_transaction_pending 1 while a transaction of the wallet is pending, otherwise 0.
# TYPE zgproxy_transaction_pending gauge
zgproxy_transaction_pending 0
# HELP zgproxy_transaction_replacements_total Transactions signed with higher fees in place of one that was not mined.
# TYPE zgproxy_transaction_replacements_total counter
zgproxy_transaction_replacements_total 0
# HELP zgproxy_transactions_total Transactions of the wallet, by what they were for, what asked for them, and how they ended.
# TYPE zgproxy_transactions_total counter
zgproxy_transactions_total{kind="acknowledge",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="deposit",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="refund",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="retrieve",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="revoke",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="revoke_all",origin="hand",outcome="mined"} 1
zgproxy_transactions_total{kind="transfer",origin="hand",outcome="mined"} 2
zgproxy_transactions_total{kind="withdraw",origin="hand",outcome="mined"} 1
`)); err != nil {
			t.Error(err)
		}
	})
}

// What is signed otherwise than decided, or not at all, leaves no trace.
func TestJournalNotSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		for _, why := range []error{zg.ErrInsufficientFunds, zg.ErrFeeTooHigh, errors.New("reverted")} {
			n.hook = func(call string) error {
				if call == "Sign" {
					return why
				}
				return nil
			}
			if e, err := j.Do(t.Context(), deposit, OriginHand, nil); !errors.Is(err, ErrNotSigned) || !errors.Is(err, why) || e.ID != 0 {
				t.Errorf("Do = %+v, %v; want ErrNotSigned because of %v", e, err, why)
			}
		}
		n.hook = nil
		if _, err := j.Do(t.Context(), transferTo(alice, zg.OneOG), OriginAuto, nil); !errors.Is(err, zg.ErrDecidedOtherwise) {
			t.Errorf("a transfer to a sub-account that is missing: %v", err)
		}
		n.hook = func(call string) error {
			if call == "Nonce" {
				return errors.New("down")
			}
			return nil
		}
		stage(t, s, deposit, OriginHand, 4, EntryMined, day0)
		if _, err := j.Do(t.Context(), deposit, OriginHand, nil); !errors.Is(err, ErrNotSigned) {
			t.Errorf("without knowing the nonce: %v", err)
		}
		if len(topUps(t, s)) != 1 || len(n.sent) != 0 {
			t.Errorf("on record %d, sent %d", len(topUps(t, s)), len(n.sent))
		}
	})
}

// There is one transaction under way at a time, whoever wants the next.
func TestJournalOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.minFee = 3
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		first := n.attempt(j, deposit, OriginHand)
		second := n.attempt(j, deposit, OriginHand)
		auto := n.attempt(j, zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG, Opening: true}, OriginAuto)
		gone := n.attempt(j, deposit, OriginHand)
		gone.stop()
		if gone.err == nil || len(topUps(t, s)) != 1 {
			t.Errorf("%d on record, %v; want one, and the one that was given up refused", len(topUps(t, s)), gone.err)
		}
		n.with(func() { n.minFee = 2 })
		advance(time.Minute)
		first.wants(t, EntryMined, 1)
		second.wants(t, EntryMined, 1)
		// What happens automatically was decided before the others were signed: balances and budgets were others.
		if auto.running() || !errors.Is(auto.err, ErrNotSigned) || !errors.Is(auto.err, errOvertaken) {
			t.Errorf("the keeper's: %v, want it overtaken", auto.err)
		}
		if first.entry.Nonce != 5 || second.entry.Nonce != 6 || len(topUps(t, s)) != 2 {
			t.Errorf("nonces %d and %d, %d on record", first.entry.Nonce, second.entry.Nonce, len(topUps(t, s)))
		}
	})
}

// What is given up stays on record, and the next to come finishes it first.
func TestJournalGivenUp(t *testing.T) {
	for _, resume := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.minFee = 3
			s := openStore(t, t.TempDir())
			j := n.journal(s, JournalConfig{})
			a := n.attempt(j, deposit, OriginHand)
			a.stop()
			if !errors.Is(a.err, context.Canceled) || a.entry.State != EntrySigned || a.entry.ID == 0 {
				t.Errorf("given up: %+v, %v", a.entry, a.err)
			}
			n.with(func() { n.minFee = 2 })
			want := 1
			if resume {
				if err := j.Resume(t.Context()); err != nil {
					t.Errorf("Resume: %v", err)
				}
				if err := j.Resume(t.Context()); err != nil {
					t.Errorf("Resume of nothing: %v", err)
				}
			} else {
				b := n.attempt(j, deposit, OriginHand)
				advance(5 * time.Second)
				b.wants(t, EntryMined, 1)
				want = 2
			}
			all := topUps(t, s)
			if len(all) != want || all[want-1].State != EntryMined || all[0].State != EntryMined {
				t.Errorf("on record: %+v", all)
			}
		})
	}
}

// The entries of another wallet, or another chain, are not this journal's: their nonces mean nothing here.
func TestJournalOfAnotherWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		for i := range 3 {
			tx := sign(transfer{Kind: zg.IntentDeposit, Nonce: uint64(7 + i), Fee: 9})
			e, err := s.stageEntry("1/b", deposit, OriginAuto, tx, day0)
			if err != nil {
				t.Fatal(err)
			}
			if i < 2 {
				if err := s.endEntry(e.ID, EntrySigned, EntryMined, "", &zg.Receipt{Hash: tx.Hash, Block: 90}, day0); err != nil {
					t.Fatal(err)
				}
			}
		}
		j := n.journal(s, JournalConfig{Wallet: "1/a"})
		if err := j.Resume(t.Context()); err != nil || len(n.sent) != 0 {
			t.Errorf("Resume = %v, sent %d", err, len(n.sent))
		}
		a := n.attempt(j, deposit, OriginHand)
		advance(5 * time.Second)
		a.wants(t, EntryMined, 1)
		if b, err := s.lastBlock(t.Context(), "1/a"); b != 101 || err != nil {
			t.Errorf("lastBlock = %d, %v", b, err)
		}
		// That one finishes it in its turn, and openStore finds nothing unfinished twice.
		n.with(func() { n.nonce = 9 })
		if err := n.journal(s, JournalConfig{Wallet: "1/b"}).Resume(t.Context()); err != nil {
			t.Errorf("Resume of the other: %v", err)
		}
	})
}

// Somebody else uses the nonce: nothing happens automatically any more. The owner may still act.
func TestJournalForeignNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.closed = true
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		a := n.attempt(j, deposit, OriginHand)
		n.with(func() { n.nonce, n.block, n.closed = n.nonce+1, n.block+1, false })
		advance(29 * time.Second)
		if !a.running() {
			t.Error("given up before the nodes had time to agree")
		}
		advance(5 * time.Second)
		if a.running() || !errors.Is(a.err, ErrForeignNonce) || a.entry.State != EntrySuperseded || a.entry.Reason == "" {
			t.Fatalf("%+v, %v; want it superseded", a.entry, a.err)
		}
		if err := j.Resume(t.Context()); err != nil {
			t.Errorf("Resume = %v: nothing is unfinished", err)
		}
		if _, err := j.Do(t.Context(), deposit, OriginAuto, nil); !errors.Is(err, ErrForeignNonce) {
			t.Errorf("Do by itself = %v, want ErrForeignNonce", err)
		}
		b := n.attempt(j, deposit, OriginHand)
		advance(5 * time.Second)
		b.wants(t, EntryMined, 1)
		if b.entry.Nonce != 7-1 {
			t.Errorf("nonce %d, want 6", b.entry.Nonce)
		}
		if _, err := j.Do(t.Context(), deposit, OriginAuto, nil); !errors.Is(err, ErrForeignNonce) {
			t.Errorf("Do by itself after a command = %v, want ErrForeignNonce", err)
		}
		if err := s.AcceptForeign("", 5, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		c := n.attempt(j, deposit, OriginAuto)
		advance(5 * time.Second)
		c.wants(t, EntryMined, 1)
		if sum, err := s.Transferred(t.Context(), time.Time{}); err != nil || len(sum) != 0 {
			t.Errorf("Transferred = %v, %v", sum, err)
		}
	})
}
