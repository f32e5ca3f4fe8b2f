package billing

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A provider that signs as it once did is taken back without a question; one that signs as never before is not, nor one
// against which something else speaks.
func TestReturnToAcceptedSigners(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(n int64) time.Time { return time.UnixMicro(n).UTC() }
	first := zg.Pin{Provider: alice, Signer: bob, Source: zg.SourceService, Settler: bob, URL: "http://one.example", At: at(1)}
	second := first
	second.Signer, second.Settler, second.At = common.Address{2}, common.Address{2}, at(2)
	third := first
	third.Signer, third.Settler, third.At = common.Address{3}, common.Address{3}, at(3)
	returns := func(want bool, pin zg.Pin) {
		t.Helper()
		if back, err := s.Return(pin); err != nil || back != want {
			t.Errorf("Return = %v, %v; want %v", back, err, want)
		}
	}
	returns(false, first) // nobody knows it
	if _, err := s.Pin(first); err != nil {
		t.Fatal(err)
	}
	changed := zg.Suspension{Provider: alice, Code: zg.SuspendedSigner, Reason: "It changed.", At: at(4)}
	suspend := func(why zg.Suspension) {
		t.Helper()
		if fresh, err := s.Suspend(why); err != nil || !fresh {
			t.Fatalf("Suspend = %v, %v", fresh, err)
		}
	}
	suspend(changed)
	returns(false, second)
	if _, err := s.Accept(alice, Acceptance{Pin: second, Suspension: changed}); err != nil {
		t.Fatal(err)
	}
	// An upgrade is undone by a reboot: both are known now.
	suspend(changed)
	returns(false, third)
	elsewhere := first
	elsewhere.URL = "http://two.example"
	returns(false, elsewhere)
	mixed := first
	mixed.Settler = second.Settler
	returns(false, mixed)
	first.At = at(5)
	returns(true, first)
	if pin, why := trusted(t, s); pin != first || why != (zg.Suspension{}) {
		t.Errorf("trust %+v, %+v; want the first pin, and no suspension", pin, why)
	}
	returns(true, second)
	for _, code := range []string{zg.SuspendedURL, zg.SuspendedStranger, zg.SuspendedInvalid} {
		suspend(zg.Suspension{Provider: alice, Code: code, Reason: "It did.", At: at(6), Signer: bob})
		returns(false, first)
		if pin, why := trusted(t, s); pin != second || why.Code != code || why.Signer != bob {
			t.Errorf("trust %+v, %+v; want that %s stays", pin, why, code)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	known, err := s.Signers(t.Context())
	slices.SortFunc(known[alice], func(a, b zg.Pin) int { return a.At.Compare(b.At) })
	if err != nil || len(known) != 1 || len(known[alice]) != 2 || !known[alice][0].SameSigners(first) || !known[alice][1].SameSigners(second) {
		t.Errorf("signers %+v, %v; want the first and the second", known, err)
	}
}

// An answer by a stranger is explained by the chain naming that stranger, and by nothing else.
func TestExplainStranger(t *testing.T) {
	s := openStore(t, t.TempDir())
	stranger := zg.Suspension{Provider: alice, Code: zg.SuspendedStranger, Reason: "Who?", RequestID: "req_1", At: time.UnixMicro(1).UTC(), Signer: bob}
	for _, tt := range []struct {
		why    zg.Suspension
		signer common.Address
		want   bool
	}{
		{stranger, common.Address{7}, false},
		{zg.Suspension{}, common.Address{}, false},
		{zg.Suspension{}, bob, true},
		{zg.Suspension{Provider: alice, Code: zg.SuspendedInvalid, At: time.UnixMicro(2).UTC(), Signer: bob}, bob, false},
	} {
		if tt.why.Provider != (common.Address{}) {
			if _, err := s.Suspend(tt.why); err != nil {
				t.Fatal(err)
			}
		}
		if done, err := s.Explain(alice, tt.signer); err != nil || done != tt.want {
			t.Errorf("Explain(%s) = %v, %v; want %v", tt.signer, done, err, tt.want)
		}
	}
	if _, why := trusted(t, s); why.Code != zg.SuspendedInvalid {
		t.Errorf("suspended for %+v", why)
	}
}

// A pin without a signer on chain would let any later signer pass.
func TestAcceptNeedsASigner(t *testing.T) {
	s := openStore(t, t.TempDir())
	if _, err := s.Pin(firstPin); err != nil {
		t.Fatal(err)
	}
	none := firstPin
	none.Signer, none.Settler = common.Address{}, common.Address{}
	if _, err := s.Accept(alice, Acceptance{Drift: zg.OneOG, Pin: none}); !errors.Is(err, ErrNoSigner) {
		t.Errorf("Accept = %v, want %v", err, ErrNoSigner)
	}
	accounts, err := s.accounts()
	if pin, _ := trusted(t, s); pin != firstPin || len(accounts) != 0 || err != nil {
		t.Errorf("pin %+v, accounts %+v, %v; want that nothing was accepted", pin, accounts, err)
	}
}

// What an older store has of signers, in two places, is in one afterwards; what it does not have is added when it is
// seen.
func TestMigrateSigners(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	all, err := allMigrations()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(m migration) bool { return m.name[5:] == "signers.sql" })
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, storeName))
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string, values ...any) {
		t.Helper()
		if _, err := db.ExecContext(context.WithoutCancel(ctx), query, values...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`)
	for _, m := range all[:at] {
		if err := apply(ctx, db, m); err != nil {
			t.Fatal(err)
		}
	}
	settler, carol := common.Address{9}, common.Address{0xca}
	account := `INSERT INTO accounts (provider, block, balance, pending, carried, debited, settled, corrected, unmatched, settled_through,
		accepted, reserve, signer, before) VALUES (?, 0, '0', '0', '0', '0', '0', '0', '0', 0, '0', '0', ?, '0')`
	pin := `INSERT INTO trust (provider, signer, source, url, pinned_at) VALUES (?, ?, ?, 'http://one.example', 1000)`
	exec(account, alice.Hex(), settler.Hex())
	exec(pin, alice.Hex(), bob.Hex(), zg.SourceTarget)
	exec(account, bob.Hex(), "")
	exec(pin, bob.Hex(), alice.Hex(), zg.SourceService)
	exec(pin, carol.Hex(), bob.Hex(), zg.SourceTarget)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir)
	pins, _, err := s.Trust(ctx)
	if err != nil || pins[alice] != firstPin || pins[bob].Settler != alice || pins[carol].Settler != (common.Address{}) {
		t.Fatalf("pins %+v, %v", pins, err)
	}
	seen := pins[carol]
	seen.Settler, seen.At = settler, time.UnixMicro(2000).UTC()
	other := seen
	other.Signer = alice
	if fresh, err := s.Pin(other); err != nil || fresh {
		t.Errorf("another signer is taken for the pinned one: %v, %v", fresh, err)
	}
	if fresh, err := s.Pin(seen); err != nil || !fresh {
		t.Errorf("what is missing is not added: %v, %v", fresh, err)
	}
	known, err := s.Signers(ctx)
	if err != nil || len(known[alice]) != 1 || len(known[bob]) != 1 || len(known[carol]) != 1 || known[carol][0].Settler != settler {
		t.Errorf("signers %+v, %v", known, err)
	}
}
