package billing

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stage records an entry with the given nonce and, unless it is to stay unfinished, ends it in a block of that number.
func stage(t *testing.T, s *Store, in zg.Intent, o Origin, nonce byte, state EntryState, at time.Time) Entry {
	t.Helper()
	hash := common.Hash{nonce + 1}
	e, err := s.stageEntry("", in, o, zg.SignedTx{Hash: hash, Nonce: uint64(nonce), Raw: []byte{1}}, at)
	if err != nil {
		t.Fatal(err)
	}
	if state == EntrySigned {
		return e
	}
	var r *zg.Receipt
	if state != EntrySuperseded {
		r = &zg.Receipt{Hash: hash, Block: uint64(nonce), GasCost: zg.NeuronOf(7)}
	}
	if err := s.endEntry(e.ID, EntrySigned, state, "", r, at); err != nil {
		t.Fatal(err)
	}
	return e
}

func transferTo(p common.Address, amount zg.Neuron) zg.Intent {
	return zg.Intent{Kind: zg.IntentTransfer, Provider: p, Amount: amount}
}

// Only what counts against a budget is counted, only as long as it does, and told apart by provider and origin.
func TestTransferred(t *testing.T) {
	s := openStore(t, t.TempDir())
	n := byte(0)
	add := func(in zg.Intent, o Origin, state EntryState) {
		in.Amount = zg.OneOG.Mul(1 << n)
		stage(t, s, in, o, n, state, day0.Add(time.Duration(n)*time.Hour))
		n++
	}
	to := transferTo
	add(to(alice, zg.Neuron{}), OriginAuto, EntryMined)
	add(to(alice, zg.Neuron{}), OriginAuto, EntryReverted)
	add(to(alice, zg.Neuron{}), OriginAuto, EntrySuperseded)
	add(to(alice, zg.Neuron{}), OriginAuto, EntryCancelled)
	add(to(alice, zg.Neuron{}), OriginHand, EntryMined)
	add(to(bob, zg.Neuron{}), OriginAuto, EntryMined)
	add(zg.Intent{Kind: zg.IntentDeposit}, OriginAuto, EntryMined)
	add(zg.Intent{Kind: zg.IntentDeposit}, OriginHand, EntryMined)
	add(zg.Intent{Kind: zg.IntentRefund}, OriginHand, EntryMined)
	add(zg.Intent{Kind: zg.IntentTransfer, Provider: bob, Opening: true}, OriginAuto, EntryMined)
	add(zg.Intent{Kind: zg.IntentTransfer, Provider: bob, Opening: true}, OriginHand, EntryMined)
	add(to(alice, zg.Neuron{}), OriginAuto, EntrySigned)

	type sums [2]uint64 // auto, hand
	for _, tt := range []struct {
		since time.Time
		want  map[common.Address]sums
	}{
		{time.Time{}, map[common.Address]sums{alice: {1 + 2048, 16}, bob: {32 + 512, 1024}}},
		{day0.Add(-time.Second), map[common.Address]sums{alice: {1 + 2048, 16}, bob: {32 + 512, 1024}}},
		{day0, map[common.Address]sums{alice: {2048, 16}, bob: {32 + 512, 1024}}},
		{day0.Add(9 * time.Hour), map[common.Address]sums{alice: {2048, 0}, bob: {0, 1024}}},
		{day0.Add(11 * time.Hour), map[common.Address]sums{}},
	} {
		got, err := s.Transferred(t.Context(), tt.since)
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[common.Address]Moved)
		for p, w := range tt.want {
			want[p] = Moved{Auto: zg.OneOG.Mul(w[0]), Hand: zg.OneOG.Mul(w[1])}
		}
		if diff := cmp.Diff(want, got, compareAmounts); diff != "" {
			t.Errorf("since %v (-want +got):\n%s", tt.since, diff)
		}
	}
	opened, err := s.AutoFunded(t.Context())
	if want := (AutoFunded{FirstTransfers: zg.OneOG.Mul(512), Deposits: zg.OneOG.Mul(64)}); err != nil || opened != want {
		t.Errorf("AutoFunded = %+v, %v; want %+v", opened, err, want)
	}
	between, err := s.TransferredBetween(t.Context(), 4, 9)
	if diff := cmp.Diff(map[common.Address]zg.Neuron{bob: zg.OneOG.Mul(32 + 512)}, between, compareAmounts); err != nil || diff != "" {
		t.Errorf("TransferredBetween: %v (-want +got):\n%s", err, diff)
	}
}

// An end that is recorded stays.
func TestEntryEndsOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	e := stage(t, s, transferTo(alice, zg.OneOG), OriginAuto, 0, EntrySigned, day0)
	for _, state := range []EntryState{EntryMined, EntrySuperseded} {
		if err := s.endEntry(e.ID, EntrySigned, state, "", nil, day0); err != nil {
			t.Fatal(err)
		}
	}
	if got := topUps(t, s)[0].State; got != EntryMined {
		t.Errorf("state %s, want the first end, mined", got)
	}
}

// What goes into the journal comes out of it.
func TestEntryIsKept(t *testing.T) {
	s := openStore(t, t.TempDir())
	for i, in := range []zg.Intent{
		{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.MaxNeuron, Opening: true},
		{Kind: zg.IntentDeposit, Amount: zg.OneOG},
		{Kind: zg.IntentRetrieve, Provider: bob, Also: []common.Address{alice, {3}}},
		{Kind: zg.IntentRefund, Amount: zg.NeuronOf(1)},
		{Kind: zg.IntentAcknowledge, Provider: bob},
		{Kind: zg.IntentWithdraw, Provider: bob},
		{Kind: zg.IntentRevoke, Provider: bob, TokenIDs: []int{254, 0, 7}},
		{Kind: zg.IntentRevokeAll, Provider: bob},
	} {
		tx := zg.SignedTx{Hash: common.Hash{byte(i + 1)}, Nonce: uint64(i), Raw: []byte{byte(i)}, GasLimit: 5, FeeCap: zg.NeuronOf(6), TipCap: zg.NeuronOf(7)}
		want, err := s.stageEntry("1/a", in, OriginHand, tx, day0)
		if err != nil {
			t.Fatal(err)
		}
		cancel := zg.SignedTx{Hash: common.Hash{byte(i + 100)}, Nonce: uint64(i), Raw: []byte{9}, Cancels: true}
		if err := s.addTx(want.ID, cancel); err != nil {
			t.Fatal(err)
		}
		if err := s.noteBroadcast(tx.Hash, day0); err != nil {
			t.Fatal(err)
		}
		if err := s.noteReceipt(want.ID, &zg.Receipt{Hash: cancel.Hash, Block: 12, GasCost: zg.NeuronOf(8)}); err != nil {
			t.Fatal(err)
		}
		want.Txs = append(want.Txs, cancel)
		want.Sent, want.Block, want.Hash, want.GasCost = true, 12, cancel.Hash, zg.NeuronOf(8)
		got, ok, err := s.unfinished(t.Context(), "1/a")
		if diff := cmp.Diff(want, got, compareAmounts); !ok || err != nil || diff != "" {
			t.Errorf("%s: %v, %v (-want +got):\n%s", in.Kind, ok, err, diff)
		}
		if b, err := s.lastBlock(t.Context(), "1/a"); b > 0 && i == 0 || err != nil {
			t.Errorf("lastBlock = %d, %v: what has not ended does not count", b, err)
		}
		if _, ok, err := s.unfinished(t.Context(), "2/a"); ok || err != nil {
			t.Errorf("the entry is taken for one of another chain (%v)", err)
		}
		if err := s.endEntry(want.ID, EntrySigned, EntryCancelled, "late", &zg.Receipt{Hash: cancel.Hash, Block: 13, GasCost: zg.NeuronOf(8)}, day0); err != nil {
			t.Fatal(err)
		}
	}
	if n, signed, err := s.highestNonce(t.Context(), "1/a"); n != 7 || !signed || err != nil {
		t.Errorf("highestNonce = %d, %v, %v", n, signed, err)
	}
	if _, signed, err := s.highestNonce(t.Context(), "2/a"); signed || err != nil {
		t.Errorf("another chain has a highest nonce: %v", err)
	}
	if b, err := s.lastBlock(t.Context(), "1/a"); b != 13 || err != nil {
		t.Errorf("lastBlock = %d, %v", b, err)
	}
	// It begins again, as if it had never ended.
	e, _, err := s.entryAt(t.Context(), "1/a", 4)
	if err != nil || s.reopenEntry(e.ID) != nil {
		t.Fatal(err)
	}
	got, ok, err := s.unfinished(t.Context(), "1/a")
	e.State, e.EndedAt, e.Reason, e.Block, e.Hash, e.GasCost = EntrySigned, time.Time{}, "", 0, common.Hash{}, zg.Neuron{}
	if diff := cmp.Diff(e, got, compareAmounts); !ok || err != nil || diff != "" {
		t.Errorf("reopened: %v, %v (-want +got):\n%s", ok, err, diff)
	}
}
