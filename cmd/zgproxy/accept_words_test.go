package main

import (
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Who accepts sees what of it was taken, what is only claimed, since when, and what is watched and not accepted.
func TestAcceptShowsWhatItAccepts(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	since := now.Add(-3 * time.Minute)
	drift, taken, watched := money(zg.OneOG.Mul(3)), money(zg.OneOG), money(zg.OneOG.Mul(2))
	sub := subReport{Drift: &drift, DriftTaken: &taken, DriftSince: &since, Watched: &watched, WatchedSince: &since}
	got := toAccept(&sub, now).String()
	for _, want := range []string{
		"3 0G taken or claimed beyond what was witnessed: 1 0G taken, 2 0G only claimed, seen first 3 min ago",
		"watched", "2 0G claimed beyond that, for 3 min; a settlement may be under way", "Not accepted",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
}
