package billing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
)

// childStep makes a child one that copies: backup or restore, a colon, and the step to stop at. The file is copy.db
// beside the store.
const childStep = "ZGPROXY_TEST_CHILD_STEP"

// copyChild makes a copy, or puts one back, and stops at a step to be killed there.
func copyChild(dir, what string) int {
	do, stop, _ := strings.Cut(what, ":")
	atStep = func(step string) {
		if step == stop {
			fmt.Println("ready") //nolint:forbidigo // the parent waits for it
			select {}
		}
	}
	var err error
	if file := filepath.Join(dir, "copy.db"); do == "backup" {
		_, err = Backup(context.Background(), dir, file, time.Now())
	} else {
		_, err = Restore(context.Background(), dir, file, time.Now())
	}
	fmt.Println("not stopped:", err) //nolint:forbidigo // the parent reads it
	return 1
}

// storeWith makes a store with a request of this id, and closes it.
func storeWith(t *testing.T, dir string, ids ...string) {
	t.Helper()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	for _, id := range ids {
		mustOpen(t, m, order(id, alice)).Close(answered())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// has reports whether a store has a request.
func has(t *testing.T, dir, id string) bool {
	t.Helper()
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	_, ok, err := r.store.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// A copy that is made while requests come and go is of one moment: put back, all that must hold of a store holds of it.
func TestBackupWhileInUse(t *testing.T) {
	dir, copies := t.TempDir(), t.TempDir()
	s := openStore(t, dir)
	m := NewMeter(s, MeterConfig{})
	stop, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				ended <- n
				return
			default:
			}
			r, err := m.Open(t.Context(), order(fmt.Sprint("r", n), []common.Address{alice, bob}[n%2]))
			if err != nil {
				t.Error(err)
				ended <- n
				return
			}
			r.Close(answered())
		}
	}()
	mustOpen(t, m, order("under way", alice)) // stays open
	var last int64
	for i := range 4 {
		file := filepath.Join(copies, fmt.Sprintf("%d.db", i))
		c, err := Backup(t.Context(), dir, file, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if c.Requests < max(last, 1) || c.Made.IsZero() || c.Bytes == 0 {
			t.Errorf("copy %d: %+v after one of %d requests", i, c, last)
		}
		last = c.Requests
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("copy %d: mode %v, %v", i, info.Mode(), err)
		}
		if _, err := Backup(t.Context(), dir, file, time.Now()); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over another copy: %v, want fs.ErrExist", err)
		}
		other := t.TempDir()
		r, err := Restore(t.Context(), other, file, time.Now())
		if err != nil || r.Requests != c.Requests || !r.Made.Equal(c.Made) || r.Kept != "" {
			t.Fatalf("Restore of %+v = %+v, %v", c, r, err)
		}
		if !has(t, other, "under way") {
			t.Errorf("copy %d lacks a request that was under way", i)
		}
		again := openStore(t, other)
		check(t, again)
	}
	close(stop)
	if n := <-ended; n == 0 {
		t.Error("no request was made meanwhile")
	}
	if _, err := Restore(t.Context(), dir, filepath.Join(copies, "0.db"), time.Now()); !errors.Is(err, ErrLocked) {
		t.Errorf("Restore while the store is in use: %v, want ErrLocked", err)
	}
	left, err := filepath.Glob(filepath.Join(copies, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What SQLite has not taken over yet is in a copy, too: it is in the log.
func TestBackupHasWhatOnlyTheLogHas(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	release := hold(t, s)
	r := mustOpen(t, NewMeter(s, MeterConfig{}), order("in the log", alice))
	file := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Backup(t.Context(), dir, file, time.Now()); err != nil {
		t.Fatal(err)
	}
	release()
	r.Close(answered())
	other := t.TempDir()
	if _, err := Restore(t.Context(), other, file, time.Now()); err != nil {
		t.Fatal(err)
	}
	if !has(t, other, "in the log") {
		t.Error("the copy lacks it")
	}
}

// A process that is killed while it makes a copy leaves none, or a whole one.
func TestKillDuringBackup(t *testing.T) {
	dir := t.TempDir()
	storeWith(t, dir, "a")
	for _, step := range []string{"copied", "checked", "named"} {
		file := filepath.Join(dir, "copy.db")
		must(t, remove(file))
		kill(t, startChild(t, dir, childStep+"=backup:"+step))
		_, err := os.Stat(file)
		if there := err == nil; there != (step == "named") {
			t.Errorf("killed when %s: the copy is there: %v", step, there)
		}
		if err != nil {
			if _, err := Backup(t.Context(), dir, file, time.Now()); err != nil {
				t.Fatalf("killed when %s, once more: %v", step, err)
			}
		}
		other := t.TempDir()
		if _, err := Restore(t.Context(), other, file, time.Now()); err != nil || !has(t, other, "a") {
			t.Errorf("killed when %s: %v", step, err)
		}
		if !has(t, dir, "a") {
			t.Errorf("killed when %s: the store itself has changed", step)
		}
	}
}

// A process that is killed while it puts a copy back leaves the old store, or says that it was not finished. The second
// try ends it, and nothing of the old store is lost.
func TestKillDuringRestore(t *testing.T) {
	source := t.TempDir()
	storeWith(t, source, "new")
	file := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Backup(t.Context(), source, file, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"coming", "begun", "kept " + storeName, "kept " + openLogNames[0], "placed"} {
		dir := t.TempDir()
		storeWith(t, dir, "old")
		must(t, os.Link(file, filepath.Join(dir, "copy.db")))
		kill(t, startChild(t, dir, childStep+"=restore:"+step))
		s, err := Open(t.Context(), dir, StoreOptions{})
		switch {
		case step == "coming" && err == nil:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if !has(t, dir, "old") {
				t.Errorf("killed when %s: the old store is not there", step)
			}
		case step == "coming" || !errors.Is(err, ErrRestoring):
			t.Fatalf("killed when %s: Open: %v, want ErrRestoring", step, err)
		default:
			if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, ErrRestoring) {
				t.Errorf("killed when %s: OpenReadOnly: %v, want ErrRestoring", step, err)
			}
			if _, err := Backup(t.Context(), dir, file+"x", time.Now()); !errors.Is(err, ErrRestoring) {
				t.Errorf("killed when %s: Backup: %v, want ErrRestoring", step, err)
			}
		}
		if _, err := Restore(t.Context(), dir, file, time.Now()); err != nil {
			t.Fatalf("killed when %s, once more: %v", step, err)
		}
		if !has(t, dir, "new") || has(t, dir, "old") {
			t.Errorf("killed when %s: the store is not the copy", step)
		}
		kept, err := filepath.Glob(filepath.Join(dir, "replaced-*", storeName))
		if err != nil || !slices.ContainsFunc(kept, func(path string) bool { return has(t, filepath.Dir(path), "old") }) {
			t.Errorf("killed when %s: the old store is in none of %v, %v", step, kept, err)
		}
		check(t, openStore(t, dir))
	}
}

// What is no whole copy of a store is refused before anything is touched.
func TestRestoreRefuses(t *testing.T) {
	source, dir := t.TempDir(), t.TempDir()
	fill(t, source, 2_000, 10, noon)
	storeWith(t, dir, "old")
	good := filepath.Join(t.TempDir(), "good.db")
	if _, err := Backup(t.Context(), source, good, noon); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		make func(path string)
		want error
	}{
		"damaged":          {func(path string) { flip(t, path, 200, 9) }, ErrDamaged},
		"cut off":          {func(path string) { must(t, os.Truncate(path, int64(len(text)/2))) }, ErrDamaged},
		"something else":   {func(path string) { must(t, os.WriteFile(path, []byte(strings.Repeat("words ", 5_000)), 0o600)) }, ErrNotCopy},
		"empty":            {func(path string) { must(t, os.Truncate(path, 0)) }, ErrNotCopy},
		"missing":          {func(path string) { must(t, os.Remove(path)) }, fs.ErrNotExist},
		"the store itself": {func(path string) { must(t, errors.Join(os.Remove(path), os.Link(filepath.Join(dir, storeName), path))) }, ErrNotCopy},
		"of a newer program": {func(path string) {
			s, err := newSession(t.Context(), dsn(path), &damage{})
			must(t, err)
			_, err = s.exec(`INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'x', 0)`)
			must(t, errors.Join(err, s.close()))
		}, ErrNewerSchema},
	} {
		path := filepath.Join(t.TempDir(), "copy.db")
		must(t, os.WriteFile(path, text, 0o600))
		tc.make(path)
		if _, err := Restore(t.Context(), dir, path, noon); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if !has(t, dir, "old") {
			t.Errorf("%s: the store has changed", name)
		}
		for _, left := range []string{comingName, restoringName, "replaced-*"} {
			if found, err := filepath.Glob(filepath.Join(dir, left)); err != nil || len(found) != 0 {
				t.Errorf("%s: left behind: %v, %v", name, found, err)
			}
		}
	}
	if _, err := Backup(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x"), noon); !errors.Is(err, ErrNoStore) {
		t.Errorf("Backup of nothing: %v, want ErrNoStore", err)
	}
	flip(t, filepath.Join(source, storeName), 400, 5)
	if _, err := Backup(t.Context(), source, filepath.Join(t.TempDir(), "x"), noon); !errors.Is(err, ErrDamaged) {
		t.Errorf("Backup of a damaged store: %v, want ErrDamaged", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// restoredFrom makes a copy of a store now, which restore puts in another directory later.
func restoredFrom(t *testing.T, dir string) (restore func() *Store) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	_, err := Backup(t.Context(), dir, file, time.Now())
	must(t, err)
	return func() *Store {
		other := t.TempDir()
		_, err := Restore(t.Context(), other, file, time.Now())
		must(t, err)
		return openStore(t, other)
	}
}

// Where the wallet has made transactions since the copy, a restored store moves nothing, whatever the owner accepts of
// them, until he accepts what the copy does not know. So limits hold that the copy would have room in.
func TestRestoredStoreKeepsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		dir := t.TempDir()
		s := openStore(t, dir)
		cfg := KeeperConfig{Budget: Budget{Day: CapOf(og(t, "6"))}, Every: time.Minute}
		_, stop := n.run(s, cfg, alice)
		advance(2 * time.Minute)
		restore := restoredFrom(t, dir)
		for range 5 { // as long as the limit has room
			n.set(alice, "1")
			advance(5 * time.Minute)
		}
		before := n.moved()
		if before != 3 {
			t.Fatalf("%d transfers of 2 0G within a limit of 6", before)
		}
		stopped(t, stop)

		again := restore()
		k, stop := n.run(again, cfg, alice)
		defer func() { stopped(t, stop) }()
		advance(time.Hour)
		if v := k.View(); v.Providers[alice].Reason != refusalForeign || n.moved() != before || !v.Unknown.Money || !v.Unknown.Any(time.Now()) {
			t.Fatalf("reason %q, %d transfers, unknown %+v", v.Providers[alice].Reason, n.moved()-before, v.Unknown)
		}
		f := k.View().Foreign
		must(t, again.AcceptForeign("", f.Through(), f.Count(), time.Now()))
		advance(time.Hour)
		pv := k.View().Providers[alice]
		if pv.Reason != refusalRestored || n.moved() != before || !strings.Contains(pv.Hint(alice), "zgproxy restore --accept") {
			t.Fatalf("accepted: reason %q, %d transfers; want none, because the store was restored", pv.Reason, n.moved()-before)
		}
		if accepted, err := again.AcceptRestored(time.Now()); err != nil || !accepted {
			t.Fatalf("AcceptRestored = %v, %v", accepted, err)
		}
		advance(time.Hour)
		if v := k.View(); n.moved() != before+1 || v.Unknown.Any(time.Now()) { // nothing was found of what the others moved
			t.Errorf("reason %q, %d transfers, %+v: top-ups do not go on", v.Providers[alice].Reason, n.moved()-before, v.Unknown)
		}
		if accepted, err := again.AcceptRestored(time.Now()); err != nil || accepted {
			t.Errorf("AcceptRestored once more = %v, %v", accepted, err)
		}
	})
}

// Where nothing is missing, top-ups go on by themselves when that has been seen for a while.
func TestRestoredStoreGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		dir := t.TempDir()
		s := openStore(t, dir)
		cfg := KeeperConfig{Every: time.Minute}
		_, stop := n.run(s, cfg, alice)
		advance(2 * time.Minute)
		stopped(t, stop)
		again := restoredFrom(t, dir)()
		n.set(alice, "1")
		k, stop := n.run(again, cfg, alice)
		defer func() { stopped(t, stop) }()
		advance(settleFor - 2*time.Minute)
		if pv := k.View().Providers[alice]; pv.Reason != refusalRestored || n.moved() != 0 {
			t.Errorf("before that: reason %q, %d transfers", pv.Reason, n.moved())
		}
		advance(5 * time.Minute)
		if v := k.View(); n.moved() != 1 || v.Unknown.Money {
			t.Errorf("after that: reason %q, %d transfers, %+v", v.Providers[alice].Reason, n.moved(), v.Unknown)
		}
	})
}

// A copy that never compared the wallet's nonces with the chain cannot tell whether any is missing.
func TestRestoredStoreThatNeverLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		dir := t.TempDir()
		openStore(t, dir)
		again := restoredFrom(t, dir)()
		n.set(alice, "1")
		k, stop := n.run(again, KeeperConfig{Every: time.Minute}, alice)
		defer func() { stopped(t, stop) }()
		advance(3 * time.Hour)
		if pv := k.View().Providers[alice]; pv.Reason != refusalRestored || n.moved() != 0 {
			t.Errorf("reason %q, %d transfers", pv.Reason, n.moved())
		}
	})
}

// What was spent of budgets for fees since the copy is not known, so they count as used up.
func TestRestoredStoreKeepsBudgetsForFees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		openStore(t, dir)
		s := restoredFrom(t, dir)()
		refused := func(b Budget) RefusalKind {
			r, err := NewMeter(s, MeterConfig{Budgets: Budgets{Fees: b}}).Open(t.Context(), order(fmt.Sprint("r", time.Now().UnixNano(), b), alice))
			if refused, ok := errors.AsType[*Refused](err); ok {
				if refused.RetryAfter > 25*time.Hour || !strings.Contains(refused.Hint, "zgproxy restore --accept") {
					t.Errorf("%+v", refused)
				}
				return refused.Kind
			}
			must(t, err)
			r.Close(answered())
			return ""
		}
		lots := CapOf(og(t, "1000"))
		day, total, mine := Budget{Day: lots}, Budget{Total: lots}, Budget{ProviderDay: ProviderCaps{Each: lots}}
		theirs := Budget{ProviderTotal: ProviderCaps{Except: map[common.Address]Cap{bob: lots}}}
		for b, want := range map[*Budget]RefusalKind{&day: RefusedDay, &total: RefusedTotal, &mine: RefusedProviderDay, &theirs: "", {}: ""} {
			if got := refused(*b); got != want {
				t.Errorf("%+v: %q, want %q", *b, got, want)
			}
		}
		advance(24*time.Hour + 16*time.Minute)
		for b, want := range map[*Budget]RefusalKind{&day: "", &total: RefusedTotal, &mine: ""} {
			if got := refused(*b); got != want {
				t.Errorf("a day later, %+v: %q, want %q", *b, got, want)
			}
		}
		left := func() float64 {
			reg := prometheus.NewRegistry()
			NewMeter(s, MeterConfig{Budgets: Budgets{Fees: total}, Registerer: reg})
			families, err := reg.Gather()
			must(t, err)
			for _, f := range families {
				if f.GetName() == "zgproxy_budget_left_neuron" {
					return f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			t.Fatal("there is no such metric")
			return 0
		}
		if got := left(); got != 0 {
			t.Errorf("the metric says that %v are left", got)
		}
		_, err := s.AcceptRestored(time.Now())
		must(t, err)
		if got := left(); got == 0 {
			t.Error("accepted: the metric says that nothing is left")
		}
		if got := refused(total); got != "" {
			t.Errorf("accepted: %q", got)
		}
	})
}
