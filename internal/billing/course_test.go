package billing

import (
	"errors"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A course is told what is seen, second by second, and says what to do.
func TestCourse(t *testing.T) {
	const after = 90 * time.Second
	none := sighting{nonce: 5}
	at := func(block, head uint64) sighting {
		return sighting{receipt: &zg.Receipt{Block: block}, head: head, nonce: 6}
	}
	used := sighting{nonce: 6}
	doubted := sighting{nonce: 6, doubted: errDoubted}
	type moment struct {
		at   int // seconds
		see  sighting
		want step
		said error // to a sending
	}
	for _, tt := range []struct {
		name          string
		confirmations uint64
		replaced      int
		cancels       bool
		moments       []moment
	}{
		{name: "sent at once, and again every ten seconds", moments: []moment{
			{0, none, stepSend, nil}, {1, none, stepWait, nil}, {9, none, stepWait, nil}, {10, none, stepSend, nil}, {11, none, stepWait, nil},
		}},
		{name: "mined before it was sent: by an earlier process", moments: []moment{{0, at(7, 7), stepEnd, nil}}},
		{name: "one block is enough where nothing else is asked", moments: []moment{{0, none, stepSend, nil}, {1, at(7, 7), stepEnd, nil}}},
		{name: "three blocks, its own included", confirmations: 3, moments: []moment{
			{0, none, stepSend, nil}, {1, at(7, 7), stepWait, nil}, {2, at(7, 8), stepWait, nil}, {3, at(7, 9), stepEnd, nil},
		}},
		{name: "mined in another block after all", confirmations: 3, moments: []moment{
			{0, none, stepSend, nil}, {1, at(7, 8), stepWait, nil}, {2, at(8, 9), stepWait, nil}, {3, at(8, 10), stepEnd, nil},
		}},
		{name: "a receipt that vanishes is sent again at once, and has all the time again", confirmations: 3, moments: []moment{
			{0, none, stepSend, nil}, {88, at(7, 7), stepWait, nil}, {89, none, stepSend, nil}, {95, none, stepWait, nil}, {99, none, stepSend, nil}, {179, none, stepReplace, nil},
		}},
		{name: "replaced when it takes too long", moments: []moment{{0, none, stepSend, nil}, {89, none, stepSend, nil}, {90, none, stepReplace, nil}, {90, none, stepWait, nil}}},
		{name: "given up after six", replaced: 6, moments: []moment{{0, none, stepSend, nil}, {90, none, stepCancel, nil}}},
		{name: "a cancellation is replaced itself", replaced: 6, cancels: true, moments: []moment{{0, none, stepSend, nil}, {90, none, stepReplace, nil}}},
		{name: "replaced at once when its fees are refused", moments: []moment{
			{0, none, stepSend, zg.ErrUnderpriced}, {1, none, stepReplace, nil}, {2, none, stepWait, nil}, {10, none, stepSend, zg.ErrTipTooLow}, {11, none, stepReplace, nil},
		}},
		{name: "not replaced when it is fees that do not help", moments: []moment{
			{0, none, stepSend, zg.ErrInsufficientFunds},
			{90, none, stepSend, zg.ErrNonceTooLow},
			{180, none, stepSend, zg.ErrNonceGap},
			{270, none, stepSend, nil},
			{359, none, stepSend, nil},
			{360, none, stepReplace, nil},
		}},
		{name: "a lower nonce is missing: sent, never replaced", moments: []moment{
			{0, sighting{nonce: 4}, stepSend, nil}, {90, sighting{nonce: 4}, stepSend, zg.ErrUnderpriced}, {200, sighting{nonce: 4}, stepSend, nil}, {289, none, stepSend, nil}, {290, none, stepReplace, nil},
		}},
		{name: "the nonce is used: looked for, then given up", moments: []moment{
			{0, none, stepSend, nil}, {1, used, stepWait, nil}, {30, used, stepWait, nil}, {31, used, stepSupersede, nil},
		}},
		{name: "nodes that are not of one mind", moments: []moment{
			{0, none, stepSend, nil}, {1, used, stepWait, nil}, {30, none, stepSend, nil}, {31, used, stepWait, nil}, {60, used, stepWait, nil}, {60, at(7, 7), stepEnd, nil},
		}},
		{name: "a receipt that is doubted ends nothing and gives nothing up", moments: []moment{
			{0, none, stepSend, nil}, {1, used, stepWait, nil}, {31, doubted, stepWait, nil}, {300, doubted, stepWait, nil}, {301, used, stepWait, nil}, {302, at(7, 7), stepEnd, nil},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			c := newCourse(&Entry{Nonce: 5, Txs: []zg.SignedTx{{Cancels: tt.cancels}}}, after, max(tt.confirmations, 1), start)
			c.replaced = tt.replaced
			for _, m := range tt.moments {
				m.see.at = start.Add(time.Duration(m.at) * time.Second)
				got := c.next(m.see)
				if got != m.want {
					t.Fatalf("after %d s: step %d, want %d", m.at, got, m.want)
				}
				if got == stepSend {
					c.wasSent(m.said)
				}
			}
		})
	}
}

// What is not looked at for a while was not seen for a while. A look can take longer than a transaction is given to be
// mined. What was signed is sent before it makes room for the next, and is sent again while it cannot be replaced: else
// one after the other is signed, and none is ever on its way.
func TestCourseOfASlowEndpoint(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newCourse(&Entry{Nonce: 5, Txs: []zg.SignedTx{{}}}, 90*time.Second, 1, now)
	for i, want := range []step{
		stepSend, stepReplace, stepSend, stepReplace, stepSend, stepReplace, stepSend, stepReplace, stepSend, stepReplace, stepSend, stepReplace, stepSend, stepCancel,
		stepSend, stepReplace, stepSend,
	} {
		now = now.Add(100 * time.Second)
		got := c.next(sighting{nonce: 5, at: now})
		if got != want {
			t.Fatalf("look %d: step %d, want %d", i, got, want)
		}
		if got == stepSend {
			c.wasSent(nil)
		} else {
			c.wasReplaced(zg.SignedTx{Cancels: c.cancels || got == stepCancel}, now)
		}
	}
	for i, want := range []step{stepReplace, stepSend, stepReplace, stepSend} {
		now = now.Add(100 * time.Second)
		if got := c.next(sighting{nonce: 5, at: now}); got != want {
			t.Fatalf("look %d at the limit of the fees: step %d, want %d", i, got, want)
		}
		if want == stepReplace {
			c.stuck = errors.New("the fees are at their limit")
		} else {
			c.wasSent(nil)
		}
	}
}

func TestCourseBlind(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newCourse(&Entry{Nonce: 5, Txs: make([]zg.SignedTx, 1)}, time.Hour, 1, start)
	used, low := sighting{nonce: 6, at: start}, sighting{nonce: 4, at: start}
	c.next(used)
	c.gapped(low)
	c.blind()
	used.at, low.at = start.Add(time.Hour), start.Add(time.Hour)
	if got := c.next(used); got != stepWait {
		t.Errorf("given up at the first look after an hour in the dark: step %d", got)
	}
	if c.gapped(low) {
		t.Error("a gap that was seen once")
	}
	low.at = low.at.Add(behindGrace)
	if !c.gapped(low) {
		t.Error("a gap that was seen for long enough is none")
	}
	if c.gapped(sighting{nonce: 5, at: low.at}) || !c.missing.IsZero() {
		t.Error("no gap any more")
	}
}

// Replacements are counted from the record, so that a restart does not start the count again.
func TestCourseAfterRestart(t *testing.T) {
	e := Entry{Nonce: 5, Txs: make([]zg.SignedTx, 7)}
	c := newCourse(&e, time.Second, 1, time.Time{})
	if c.replaced != 6 || c.cancels {
		t.Errorf("%+v", c)
	}
	e.Txs = append(e.Txs, zg.SignedTx{Cancels: true})
	if c = newCourse(&e, time.Second, 1, time.Time{}); c.replaced != 6 || !c.cancels {
		t.Errorf("%+v", c)
	}
}

// Everything that keeps a transaction is named.
func TestCourseTrouble(t *testing.T) {
	c := newCourse(&Entry{Nonce: 5, Txs: make([]zg.SignedTx, 1)}, time.Second, 1, time.Time{})
	if err := c.trouble(sighting{nonce: 5}); err != nil {
		t.Errorf("trouble without any: %v", err)
	}
	c.wasSent(zg.ErrUnderpriced)
	c.stuck = zg.ErrFeeTooHigh
	err := c.trouble(sighting{nonce: 4, gap: errGap, doubted: errDoubted})
	for _, want := range []error{zg.ErrUnderpriced, zg.ErrFeeTooHigh, errGap, errDoubted} {
		if !errors.Is(err, want) {
			t.Errorf("%v does not name %v", err, want)
		}
	}
	c.wasReplaced(zg.SignedTx{}, time.Time{})
	if err := c.trouble(sighting{nonce: 5}); err != nil || c.replaced != 1 {
		t.Errorf("after a replacement: %v", err)
	}
}
