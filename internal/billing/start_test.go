package billing

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// fill writes closed requests, evenly over the last so many days, with the sums that belong to them.
func fill(tb testing.TB, dir string, requests, days int, now time.Time) {
	tb.Helper()
	s, err := Open(tb.Context(), dir, StoreOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	// As far as the sums are concerned the writer would do the same; one by one it takes much longer.
	err = s.writer.do(false, func(db *session) error {
		step := int64(days) * day / int64(requests)
		for i := range int64(requests) {
			at := micros(now) - (int64(requests)-i)*step
			p := []common.Address{alice, bob}[i%2]
			if _, err := db.exec(insertRequest, at, fmt.Sprintf("req_%024x", i), "abcdef01", "/v1/chat/completions", string(zg.Chatbot), p.Hex(), "qwen", int64(1),
				"415200000000000", "300000000000", "480000000000", int64(200)); err != nil {
				return err
			}
			if _, err := db.exec(`UPDATE requests SET state = 'closed', closed_at = ?, basis = 'exact', status = 200, fee = '13620000000000' WHERE opened_at = ?`, at, at); err != nil {
				return err
			}
			s.writer.count(p, zg.NeuronOf(13620000000000), quarterOf(at))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// A start reads sums, not requests: with a long history it takes as long as with a short one.
func TestStartReadsNoHistory(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 2_000, 10, noon)
	s, err := Open(t.Context(), dir, StoreOptions{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	sum := s.Book().Provider(alice)
	if sum.Requests != 1_000 || sum.Fees != zg.NeuronOf(13620000000000).Mul(1_000) {
		t.Errorf("the book has %+v, want the fees of 1000 requests", sum)
	}
	// 200 requests a day; the window begins with a whole quarter of an hour.
	spent := s.Book().Spent(alice, noon)
	if least, most := zg.NeuronOf(13620000000000).Mul(99), zg.NeuronOf(13620000000000).Mul(102); spent.ProviderDay.Less(least) || most.Less(spent.ProviderDay) {
		t.Errorf("in the last 24 hours %v were spent, want about a tenth of %v", spent.ProviderDay, spent.ProviderTotal)
	}
	check(t, s)
	if n := len(s.book.allDays.quarters); n > 97 {
		t.Errorf("%d quarters of an hour were read, want no more than a day has", n)
	}
}

// BenchmarkOpen100k measures a start with a hundred thousand requests in the store.
func BenchmarkOpen100k(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 100_000, 30, time.Now())
	b.ResetTimer()
	for b.Loop() {
		s, err := Open(b.Context(), dir, StoreOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := NewMeter(s, MeterConfig{}).Recover(b.Context()); err != nil || n != 0 {
			b.Fatalf("Recover = %d, %v", n, err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
