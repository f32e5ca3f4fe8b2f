package billing

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// No id is given out twice, and none that is revoked, as long as the generation lasts.
func TestTokenIDs(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	revoked := new(big.Int).SetBit(big.NewInt(0), 1, 1)
	take := func(id int, generation uint64) (zg.Token, error) {
		return s.TakeToken("1/a", zg.Token{Provider: alice, ID: id, Generation: generation, Label: "ci", CreatedAt: day0, ExpiresAt: day0.Add(time.Hour)}, revoked)
	}
	var want []zg.Token
	for i, id := range []int{-1, -1, 3, -1} {
		got, err := take(id, 5)
		if err != nil {
			t.Fatal(err)
		}
		if chosen := []int{0, 2, 3, 4}[i]; got.ID != chosen {
			t.Errorf("the id is %d, want %d", got.ID, chosen)
		}
		want = append(want, got)
	}
	for _, id := range []int{0, 1, 3} { // used, revoked, used
		if _, err := take(id, 5); !errors.Is(err, ErrTokenTaken) {
			t.Errorf("id %d again: %v", id, err)
		}
	}
	if _, err := take(255, 5); err == nil || errors.Is(err, ErrTokenTaken) {
		t.Errorf("id 255: %v", err)
	}
	if got, err := take(-1, 6); err != nil || got.ID != 0 {
		t.Errorf("in the next generation: %+v, %v", got, err)
	} else {
		want = append(want, got)
	}
	if got, err := s.TakeToken("1/b", zg.Token{Provider: alice, ID: -1, CreatedAt: day0}, nil); err != nil || got.ID != 0 || !got.ExpiresAt.IsZero() {
		t.Errorf("of another wallet: %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	got, err := s.Tokens(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for range 251 - 1 { // 255 less one revoked and four used
		if _, err := take(-1, 5); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := take(-1, 5); !errors.Is(err, ErrNoTokenID) {
		t.Errorf("after the last one: %v", err)
	}
}
