package billing

import (
	"context"
	"database/sql/driver"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// TestMain also is the process that TestKill kills: the test binary runs itself with childDir set.
func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		dir, err := os.Getwd()
		switch step := os.Getenv(childStep); {
		case err != nil:
			os.Exit(1)
		case step != "":
			os.Exit(copyChild(dir, step))
		}
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

var (
	alice = common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	bob   = common.HexToAddress("0x00000000000000000000000000000000000000b0")

	compareAmounts = cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })
)

func og(tb testing.TB, s string) zg.Neuron {
	tb.Helper()
	n, err := zg.ParseOg(s)
	if err != nil {
		tb.Fatalf("ParseOg(%q): %v", s, err)
	}
	return n
}

// openStore opens a store that is closed, after a last check, when the test ends.
func openStore(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), dir, StoreOptions{})
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() {
		check(tb, s)
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// check asserts what must hold of a store whenever nothing is under way: the book is the sum of the rows, the totals
// table is too, every row that is not open has exactly one fee, and at most one top-up is unfinished.
func check(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Flush(); err != nil {
		tb.Fatalf("Flush: %v", err)
	}
	ctx := context.Background()
	rows, err := s.readers.QueryContext(ctx, `SELECT provider, state, bound, fee, basis, closed_at IS NOT NULL FROM requests`)
	if err != nil {
		tb.Fatalf("read all requests: %v", err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			tb.Errorf("close rows: %v", err)
		}
	}()
	fold := make(map[common.Address]Sum)
	for rows.Next() {
		var provider, state string
		var bound zg.Neuron
		var fee, basis *string
		var ended bool
		if err := rows.Scan(&provider, &state, &bound, &fee, &basis, &ended); err != nil {
			tb.Fatalf("scan: %v", err)
		}
		p := common.HexToAddress(provider)
		sum := fold[p]
		open := state == "open"
		if open != (fee == nil) || open != (basis == nil) || open == ended {
			tb.Errorf("a request in state %s has fee %v, basis %v, closed_at set: %v", state, fee, basis, ended)
		}
		if open {
			sum.Open++
			sum.Held = sum.Held.Add(bound)
		} else {
			n, err := zg.ParseNeuron(*fee)
			if err != nil {
				tb.Fatalf("fee %q: %v", *fee, err)
			}
			sum.Requests++
			sum.Fees = sum.Fees.Add(n)
		}
		fold[p] = sum
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("read all requests: %v", err)
	}
	book := s.Book().All()
	for p, sum := range book {
		book[p] = sum
		if sum == (Sum{}) { // a request that was refused by the store
			delete(book, p)
		}
	}
	if diff := cmp.Diff(fold, book, compareAmounts); diff != "" {
		tb.Errorf("the book is not the sum of the store (-store +book):\n%s", diff)
	}
	again := &Store{writer: &writer{session: s.writer.session, damage: s.damage}, book: newBook()}
	if err := s.writer.do(false, func(*session) error { return again.load(time.UnixMicro(s.book.clock)) }); err != nil {
		tb.Fatalf("load: %v", err)
	}
	if diff := cmp.Diff(fold, again.book.All(), compareAmounts); diff != "" {
		tb.Errorf("the totals are not the sum of the rows (-rows +totals):\n%s", diff)
	}
	checkSpending(tb, s, again)
	var unfinished, nonces int
	if err := s.readers.QueryRowContext(ctx, `SELECT COUNT(*) FROM journal WHERE state = 'signed'`).Scan(&unfinished); err != nil {
		tb.Fatalf("count unfinished top-ups: %v", err)
	}
	if err := s.readers.QueryRowContext(ctx, `SELECT COUNT(*) FROM journal t WHERE NOT EXISTS (SELECT 1 FROM journal_txs x WHERE x.entry_id = t.id)`).Scan(&nonces); err != nil {
		tb.Fatalf("count top-ups without bytes: %v", err)
	}
	if unfinished > 1 || nonces != 0 {
		tb.Errorf("%d top-ups unfinished, want at most 1; %d without signed bytes, want 0", unfinished, nonces)
	}
	checkMatching(tb, s, fold)
	checkReceipts(tb, s)
}

// checkReceipts asserts that whatever a signature is said to have shown can be checked again, and that a provider is
// only suspended for a reason.
func checkReceipts(tb testing.TB, s *Store) {
	tb.Helper()
	ctx := context.Background()
	for what, query := range map[string]string{
		"verdicts without the signature they are about": `SELECT COUNT(*) FROM requests WHERE verdict_at IS NOT NULL
			AND verdict IN ('verified', 'response-verified', 'replayed') AND (signed_text IS NULL OR signature IS NULL OR expected_signer IS NULL)`,
		"verdicts without a time":              `SELECT COUNT(*) FROM requests WHERE signed_text IS NOT NULL AND verdict_at IS NULL`,
		"digests of images that are not whole": `SELECT COUNT(*) FROM requests WHERE length(images_sha256) % 32 != 0`,
		"providers suspended without a reason": `SELECT COUNT(*) FROM trust WHERE (suspended_at IS NULL) != (code IS NULL) OR (pinned_at IS NULL AND suspended_at IS NULL)`,
	} {
		var n int
		if err := s.readers.QueryRowContext(ctx, query).Scan(&n); err != nil || n != 0 {
			tb.Errorf("%d %s, %v", n, what, err)
		}
	}
}

// checkMatching asserts that matching adds up: every neuron that was taken is in a settled request, in the allowance
// that was used up, or unmatched; and every neuron booked is settled, corrected, or still due.
func checkMatching(tb testing.TB, s *Store, fold map[common.Address]Sum) {
	tb.Helper()
	accounts, err := s.accounts()
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	sum := func(query, provider string) (sum zg.Neuron) {
		rows, err := s.readers.QueryContext(ctx, query, provider)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var n zg.Neuron
			if err := rows.Scan(&n); err != nil {
				tb.Fatal(err)
			}
			sum = sum.Add(n)
		}
		return sum
	}
	for p, a := range accounts {
		settled := sum(`SELECT settled FROM requests WHERE provider = ? AND state = 'settled'`, p.Hex())
		if settled != a.settled {
			tb.Errorf("requests of %s are settled for %s, the account says %s", p, settled, a.settled)
		}
		due := sum(`SELECT COALESCE(settled, fee) FROM requests WHERE provider = ? AND state IN ('closed', 'abandoned')`, p.Hex())
		if a.before.IsZero() && due != a.unsettled(fold[p].Fees) {
			tb.Errorf("requests of %s are due for %s, the account says %s", p, due, a.unsettled(fold[p].Fees))
		}
		taken := sum(`SELECT amount FROM settlements WHERE provider = ?`, p.Hex())
		if taken.Less(a.debited) || taken.Less(a.settled.Add(a.unmatched)) {
			tb.Errorf("%s has taken %s; the account says %s, %s of it settled and %s unmatched", p, taken, a.debited, a.settled, a.unmatched)
		}
	}
}

// checkSpending asserts that the sums by time are those of the totals, and the windows of the book those of the table.
func checkSpending(tb testing.TB, s, again *Store) {
	tb.Helper()
	rows := make(map[common.Address]total)
	all := make(map[common.Address]total)
	err := s.writer.do(false, func(db *session) error {
		for query, into := range map[string]map[common.Address]total{`SELECT provider, fees, requests FROM spending`: rows, `SELECT provider, fees, requests FROM totals`: all} {
			if err := db.query(query, func(row []driver.Value) error {
				p, fees, err := providerAmount(row)
				n, _ := row[2].(int64)
				into[p] = total{into[p].fees.Add(fees), into[p].requests + n}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("read the sums: %v", err)
	}
	if diff := cmp.Diff(all, rows, compareAmounts, cmp.AllowUnexported(total{})); diff != "" {
		tb.Errorf("the sums by time are not the totals (-totals +by time):\n%s", diff)
	}
	now := time.UnixMicro(s.book.clock)
	for p := range all {
		if got, want := s.book.Spent(p, now), again.book.Spent(p, now); got != want {
			tb.Errorf("the book has spent %+v, a new start would have %+v", got, want)
		}
	}
	var sum zg.Neuron
	var held zg.Neuron
	for _, v := range s.book.All() {
		sum, held = sum.Add(v.Fees), held.Add(v.Held)
	}
	if s.book.all.Fees != sum || s.book.all.Held != held {
		tb.Errorf("all providers together have %v booked and %v held, the sum of each is %v and %v", s.book.all.Fees, s.book.all.Held, sum, held)
	}
}

var chatPrice = zg.Price{Input: zg.NeuronOf(300_000_000_000), Output: zg.NeuronOf(480_000_000_000)}

// order is a small chat request.
func order(id string, p common.Address) Order {
	return Order{
		ID: id, Route: "/v1/chat/completions", Key: "abcdef01", Provider: p, Type: zg.Chatbot, Model: "qwen", Stream: true,
		Price: chatPrice, Bound: Bound(zg.Chatbot, chatPrice, BoundInput{BodyBytes: 200, MaxTokens: 100}), RequestBytes: 200,
	}
}

// answered is its usual outcome.
func answered() Outcome {
	return Outcome{
		Status: 200, Reached: true, Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 31, OutputTokens: 9},
		RequestSHA256: [32]byte{1}, ResponseSHA256: [32]byte{2}, RequestBytes: 200, ResponseBytes: 900,
		ResKey: "3f1f2f3f-1111-2222-3333-444455556666", ChatID: "chatcmpl-1", FirstByte: 1500_000, Total: 2500_000,
	}
}

func mustOpen(tb testing.TB, m *Meter, o Order) *Reservation {
	tb.Helper()
	r, err := m.Open(context.Background(), o)
	if err != nil {
		tb.Fatalf("Open(%s): %v", o.ID, err)
	}
	return r
}

// mustRecord finds a request that was just written.
func mustRecord(tb testing.TB, s *Store, id string) Record {
	tb.Helper()
	if err := s.Flush(); err != nil {
		tb.Fatalf("Flush: %v", err)
	}
	r, ok, err := s.Request(context.Background(), id)
	if err != nil || !ok {
		tb.Fatalf("Request(%s): found %v, err %v", id, ok, err)
	}
	return r
}
