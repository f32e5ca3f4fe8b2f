package billing

import (
	"database/sql/driver"
	"strings"
	"testing"
	"time"
)

// crowded is a store in which a provider has one request that nothing was taken for, and others many later ones.
func crowded(tb testing.TB, others int64) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), tb.TempDir(), StoreOptions{}) // its totals do not know of what is written past them
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	const columns = `opened_at, id, closed_at, state, basis, key, route, service_type, provider, model, stream, bound, fee, price_in, price_out`
	err = s.writer.do(false, func(db *session) error {
		if _, err := db.exec(`INSERT INTO requests (`+columns+`) VALUES (1, 'due', 2, 'closed', 'exact', '', '/', 'chatbot', ?, 'm', 0, '9', '5', '1', '1')`,
			alice.Hex()); err != nil {
			return err
		}
		_, err := db.exec(`WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= ?)
			INSERT INTO requests (`+columns+`) SELECT i, 'other-' || i, i, 'closed', 'exact', '', '/', 'chatbot', ?, 'm', 0, '9', '5', '1', '1' FROM n`,
			others, bob.Hex())
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func dues(tb testing.TB, s *Store) (out []due) {
	tb.Helper()
	if err := s.writer.do(false, func(db *session) (err error) {
		out, _, _, _, err = db.dues(alice, 0, time.Now())
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return out
}

// What is due to a provider is found by the index: no row of another provider is read for it, however many there are.
func TestDuesPassOthersBy(t *testing.T) {
	s := crowded(t, 10)
	if out := dues(t, s); len(out) != 1 || out[0].key != 1 {
		t.Errorf("due are %+v", out)
	}
	var plan strings.Builder
	if err := s.writer.do(false, func(db *session) error {
		return db.query(`EXPLAIN QUERY PLAN `+duesQuery, func(row []driver.Value) error {
			detail, _ := row[3].(string)
			plan.WriteString(detail + "\n")
			return nil
		}, int64(0), alice.Hex(), int64(duesAtOnce))
	}); err != nil {
		t.Fatal(err)
	}
	if p := plan.String(); !strings.Contains(p, "USING INDEX requests_due (provider=? AND opened_at>?)") || strings.Contains(p, "TEMP B-TREE") {
		t.Errorf("it is found by\n%s", p)
	}
}

// Behind a job that lasts, more is settled than is read at once, and what comes after that is due all the same.
func TestDuesPassSettledBy(t *testing.T) {
	s := crowded(t, 0)
	err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i <= ?)
			INSERT INTO requests (opened_at, id, closed_at, state, basis, key, route, service_type, provider, model, stream, bound, fee, price_in, price_out)
			SELECT i, 'more-' || i, i, CASE WHEN i > ? THEN 'closed' ELSE 'settled' END, 'exact', '', '/', 'chatbot', ?, 'm', 0, '9', '5', '1', '1' FROM n`,
			int64(2*duesAtOnce), int64(2*duesAtOnce), alice.Hex())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := dues(t, s); len(out) != 2 || out[1].key != 2*duesAtOnce+1 {
		t.Errorf("due are %+v", out)
	}
}

// BenchmarkDues measures what is read at every look at a provider whose matching stands still, beside 139,000 later
// requests of others.
func BenchmarkDues(b *testing.B) {
	s := crowded(b, 139_000)
	for b.Loop() {
		dues(b, s)
	}
}
