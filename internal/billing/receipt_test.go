package billing

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// verified is a judgement as it usually is.
func verified(code string) zg.Judgement {
	return zg.Judgement{
		Verdict: zg.VerdictVerified, Code: code, Signer: bob, Expected: bob, Form: "plain", Bytes: zg.WireBytes,
		Text: zg.PeerText(strings.Repeat("ab", 32) + ":" + strings.Repeat("cd", 32)), Signature: zg.PeerText("0x" + strings.Repeat("11", 65)),
	}
}

func mustReceipt(t *testing.T, s *Store, id string) zg.AnswerReceipt {
	t.Helper()
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	r, ok, err := s.Receipt(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("Receipt(%s): found %v, %v", id, ok, err)
	}
	return r
}

// A receipt has everything that is known of an exchange, whether its request was opened long before or just now.
func TestReceipt(t *testing.T) {
	for name, apart := range map[string]bool{"in one group": false, "in two": true} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
			o := order("req_1", alice)
			o.Block, o.Centralized, o.Type = 1234, true, zg.TextToImage
			o.Price.Output = zg.NeuronOf(7)
			o.Bound = zg.NeuronOf(100)
			r := mustOpen(t, m, o)
			if apart {
				if open := mustReceipt(t, s, "req_1"); open.Complete || open.Verdict != "" || open.Fee != nil {
					t.Errorf("open: %+v", open)
				}
			}
			now = now.Add(time.Second)
			out := answered()
			out.Usage = zg.Usage{Seen: true, Images: 2, InputTokens: 3}
			out.Images, out.Verdict = [][32]byte{{3}, {4}}, zg.VerdictPending
			r.Close(out)
			j := verified("seen_before")
			j.ReencodedRequest, j.Form, j.Bytes = true, "images", zg.ImageBytes
			m.SetVerdict("req_1", j)
			fee, judged, zeros := zg.NeuronOf(14), now, strings.Repeat("00", 31)
			want := zg.AnswerReceipt{
				Version: 1, ID: "req_1", ChatID: "chatcmpl-1", SignatureID: "3f1f2f3f-1111-2222-3333-444455556666", At: now.Add(-time.Second),
				Provider: alice.Hex(), Route: "/v1/chat/completions", Type: zg.TextToImage, Model: "qwen", Stream: true, Centralized: true, Complete: true,
				RequestSHA256: "01" + zeros, RequestBytes: 200, ResponseSHA256: "02" + zeros, ResponseBytes: 900, ImagesSHA256: []string{"03" + zeros, "04" + zeros},
				Verdict: zg.VerdictVerified, VerdictCode: "seen_before", VerdictAt: &judged, Signer: bob.Hex(), Expected: bob.Hex(),
				SignedText: j.Text, Signature: j.Signature, TextForm: "images", ByteForm: zg.ImageBytes, ReencodedRequest: true,
				Usage: &zg.ReceiptUsage{Images: 2, InputTokens: 3}, PriceIn: o.Price.Input, PriceOut: o.Price.Output, Fee: &fee, FeeBasis: zg.FeeExact, Block: 1234,
			}
			if diff := cmp.Diff(want, mustReceipt(t, s, "req_1"), compareAmounts); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}

// What broke off is not complete, and neither is what a crash left behind; what the provider took is in the receipt
// when it was taken.
func TestReceiptOfWhatWentWrong(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	out := answered()
	out.Complete, out.ResKey, out.Verdict = false, "", zg.VerdictPending
	mustOpen(t, m, order("broken", alice)).Close(out)
	mustOpen(t, m, order("left", alice))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if n, err := NewMeter(s, MeterConfig{}).Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("Recover = %d, %v", n, err)
	}
	for _, id := range []string{"broken", "left"} {
		if r := mustReceipt(t, s, id); r.Complete || r.Fee == nil {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if r := mustReceipt(t, s, "broken"); r.SignatureID != "chatcmpl-1" {
		t.Errorf("the signature is looked for under %q, want the answer's own id", r.SignatureID)
	}
}

// The first verdict that says something stays; "pending" and "unavailable" say nothing.
func TestVerdictsReplaceOnlyIgnorance(t *testing.T) {
	of := func(v zg.Verdict) zg.Judgement {
		if v == zg.VerdictVerified {
			return verified("")
		}
		return zg.Judgement{Verdict: v, Code: "code-" + string(v)}
	}
	for _, tt := range []struct{ foreseen, first, second, want zg.Verdict }{
		{zg.VerdictPending, zg.VerdictUnavailable, zg.VerdictVerified, zg.VerdictVerified},
		{zg.VerdictPending, zg.VerdictUnavailable, zg.VerdictInvalid, zg.VerdictInvalid},
		{zg.VerdictPending, zg.VerdictVerified, zg.VerdictUnavailable, zg.VerdictVerified},
		{zg.VerdictPending, zg.VerdictInvalid, zg.VerdictUnavailable, zg.VerdictInvalid},
		{zg.VerdictPending, zg.VerdictInvalid, zg.VerdictVerified, zg.VerdictInvalid},
		{zg.VerdictPending, zg.VerdictVerified, zg.VerdictInvalid, zg.VerdictVerified},
		{zg.VerdictVerified, zg.VerdictVerified, zg.VerdictUnavailable, zg.VerdictVerified}, // known when it was closed
		{zg.VerdictNotSigned, zg.VerdictSignerOnly, zg.VerdictVerified, zg.VerdictSignerOnly},
	} {
		t.Run(fmt.Sprintf("%s, %s, %s", tt.foreseen, tt.first, tt.second), func(t *testing.T) {
			s := openStore(t, t.TempDir())
			m := NewMeter(s, MeterConfig{})
			out := answered()
			out.Verdict = tt.foreseen
			mustOpen(t, m, order("a", alice)).Close(out)
			m.SetVerdict("a", of(tt.first))
			m.SetVerdict("a", of(tt.second))
			want := of(tt.want)
			if r := mustReceipt(t, s, "a"); r.Verdict != want.Verdict || r.VerdictCode != want.Code || r.SignedText != want.Text || r.VerdictAt == nil {
				t.Errorf("receipt %s (%s) of %q", r.Verdict, r.VerdictCode, r.SignedText)
			}
		})
	}
}

// An answer is found by its own id: at once while it is queued, by a search when it was long ago, and the newest of
// several.
func TestReceiptOfChat(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	chat := func(id, chatID string) {
		out := answered()
		out.ChatID = chatID
		mustOpen(t, m, order(id, alice)).Close(out)
	}
	find := func(chatID, want string) {
		t.Helper()
		r, ok, err := s.ReceiptOfChat(t.Context(), chatID)
		if err != nil || ok != (want != "") || r.ID != want {
			t.Errorf("ReceiptOfChat(%q) = %q, %v, %v; want %q", chatID, r.ID, ok, err, want)
		}
	}
	chat("old", "chatcmpl-twice")
	chat("other", "chatcmpl-once")
	chat("new", "chatcmpl-twice")
	chat("none", "")
	find("chatcmpl-twice", "new")
	find("chatcmpl-never", "")
	find("", "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	find("chatcmpl-twice", "new")
	find("chatcmpl-once", "other")
	find("chatcmpl-never", "")
}

func TestRecentForgetsTheOldest(t *testing.T) {
	var r recent
	for i := range 2*recentChats + 10 {
		r.add(fmt.Sprint(i), int64(i))
		r.add(fmt.Sprint(i), int64(i+1)) // once more, which takes no room
	}
	if len(r.keys) != recentChats || len(r.ring) != recentChats {
		t.Errorf("%d keys of %d answers, want %d", len(r.keys), len(r.ring), recentChats)
	}
	for i, want := range map[int]bool{0: false, recentChats + 9: false, recentChats + 10: true, 2*recentChats + 9: true} {
		if key, ok := r.key(fmt.Sprint(i)); ok != want || (ok && key != int64(i+1)) {
			t.Errorf("%d: %d, %v", i, key, ok)
		}
	}
}

// The receipts come in either order, over the borders of pages, filtered, and without what has no answer; while they
// are read the store goes on.
func TestReceipts(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	const n = 2*receiptPage + 7
	for i := range n {
		now = now.Add(time.Second)
		p, out := alice, answered()
		if i%1000 == 0 {
			p = bob
		}
		if i%7 == 3 {
			out.Status = 500
		}
		id := fmt.Sprint("r", i)
		mustOpen(t, m, order(id, p)).Close(out)
		if i%1000 == 500 {
			m.SetVerdict(id, verified(""))
		}
	}
	mustOpen(t, m, order("open", bob))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	start := now.Add(-n * time.Second)
	collect := func(since, until time.Time, f ReceiptFilter) (ids []string) {
		t.Helper()
		for r, err := range s.Receipts(t.Context(), since, until, f) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		return ids
	}
	all := collect(start, time.Time{}, ReceiptFilter{})
	back := collect(start, time.Time{}, ReceiptFilter{NewestFirst: true})
	slices.Reverse(back)
	var want []string
	for i := range n {
		if i%7 != 3 {
			want = append(want, fmt.Sprint("r", i))
		}
	}
	if !slices.Equal(all, want) || !slices.Equal(back, want) {
		t.Errorf("%d receipts, %d from the newest back, want %d", len(all), len(back), len(want))
	}
	if got := collect(start, time.Time{}, ReceiptFilter{Provider: bob}); !slices.Equal(got, []string{"r0", "r1000", "r2000", "r3000"}) { // 4000 has no answer
		t.Errorf("of bob: %v", got)
	}
	if got := collect(start, time.Time{}, ReceiptFilter{Verdict: zg.VerdictVerified, NewestFirst: true}); !slices.Equal(got, []string{"r3500", "r2500", "r1500"}) { // nor has 500
		t.Errorf("verified: %v", got)
	}
	if got := collect(start.Add(10*time.Second), start.Add(13*time.Second), ReceiptFilter{}); !slices.Equal(got, []string{"r9", "r11"}) {
		t.Errorf("of a moment: %v", got)
	}
	if got := collect(now.Add(time.Hour), time.Time{}, ReceiptFilter{}); len(got) != 0 {
		t.Errorf("of the future: %v", got)
	}
	reader, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	seen := 0
	for r, err := range reader.Receipts(t.Context(), start, time.Time{}, ReceiptFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1 { // a write beside the reading, and the log can be folded back
			mustOpen(t, m, order("later", alice)).Close(answered())
			if _, err := s.readers.ExecContext(t.Context(), `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
				t.Error(err)
			}
		}
		if r.ID == "r20" {
			break
		}
	}
}

func TestReceiptsEndWithTheError(t *testing.T) {
	s := openStore(t, t.TempDir())
	mustOpen(t, NewMeter(s, MeterConfig{}), order("a", alice)).Close(answered())
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`UPDATE requests SET fee = 'much'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range s.Receipts(t.Context(), time.Time{}, time.Time{}, ReceiptFilter{}) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || errs[0] == nil {
		t.Errorf("a fee that is none: %v, want one error", errs)
	}
	if err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`UPDATE requests SET fee = (SELECT fees FROM totals)`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// After a restart it is known what has yet to be checked, and what was signed before.
func TestWhatTheCheckNeedsAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	for i, v := range []zg.Verdict{zg.VerdictPending, zg.VerdictPending, zg.VerdictVerified, zg.VerdictInvalid, zg.VerdictResponse, zg.VerdictReplayed, zg.VerdictNotSigned} {
		now = now.Add(time.Minute)
		out := answered()
		out.Verdict = zg.VerdictPending
		id := fmt.Sprint("r", i)
		mustOpen(t, m, order(id, alice)).Close(out)
		if v != zg.VerdictPending {
			j := verified("")
			j.Verdict, j.Text = v, zg.PeerText("text of "+id)
			m.SetVerdict(id, j)
		}
	}
	start := now.Add(-6 * time.Minute)
	now = now.Add(time.Minute)
	out := answered()
	out.Verdict = zg.VerdictPending
	mustOpen(t, m, order("given-up", alice)).Close(out)
	m.SetVerdict("given-up", zg.Judgement{Verdict: zg.VerdictUnavailable, Code: "shutdown"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	pending, err := s.PendingVerdicts(t.Context(), start.Add(time.Second))
	if err != nil || len(pending) != 2 || pending[0].ID != "r1" || pending[1].ID != "given-up" || pending[0].SignatureID == "" {
		t.Errorf("pending: %+v, %v", pending, err)
	}
	if all, err := s.PendingVerdicts(t.Context(), start); err != nil || len(all) != 3 {
		t.Errorf("pending: %+v, %v", all, err)
	}
	want := []SignedText{
		{bob, "text of r2", "r2", zg.VerdictVerified, start.Add(2 * time.Minute)},
		{bob, "text of r4", "r4", zg.VerdictResponse, start.Add(4 * time.Minute)},
		{bob, "text of r5", "r5", zg.VerdictReplayed, start.Add(5 * time.Minute)},
	}
	if got, err := s.SignedSince(t.Context(), start, 10); err != nil || !slices.Equal(got, want) {
		t.Errorf("signed: %+v, %v", got, err)
	}
	if got, err := s.SignedSince(t.Context(), start, 1); err != nil || !slices.Equal(got, want[2:]) {
		t.Errorf("the newest that was signed: %+v, %v", got, err)
	}
	// The verdict is found out after all, and the row by the request's id alone.
	m = NewMeter(s, MeterConfig{})
	m.SetVerdict("r1", verified(""))
	if r := mustReceipt(t, s, "r1"); r.Verdict != zg.VerdictVerified || r.SignedText == "" {
		t.Errorf("judged after the restart: %+v", r)
	}
}

// A store from before there were receipts is brought up to date: what is not known of an answer does not read as whole.
func TestReceiptsOfAnOlderStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	for id, kind := range map[string]string{"whole": "", "broken": "upstream_truncated"} {
		out := answered()
		out.Err = kind
		mustOpen(t, m, order(id, alice)).Close(out)
	}
	err = s.writer.do(false, func(db *session) error {
		for _, index := range []string{"requests_jobs", "requests_due"} {
			if _, err := db.exec(`DROP INDEX ` + index); err != nil {
				return err
			}
		}
		for _, c := range []string{"job_until", "said", "chain_block", "centralized", "incomplete", "images_sha256", "expected_signer", "signed_text", "signature", "text_form", "byte_form", "reencoded"} {
			if _, err := db.exec(`ALTER TABLE requests DROP COLUMN ` + c); err != nil {
				return err
			}
		}
		_, err := db.exec(`DROP TABLE trust`)
		_, err2 := db.exec(`DROP TABLE tokens`)
		_, err3 := db.exec(`ALTER TABLE journal DROP COLUMN token_ids`)
		_, err11 := db.exec(`ALTER TABLE journal DROP COLUMN also`)
		_, err8 := db.exec(`DROP TABLE nonces`)
		_, err9 := db.exec(`DROP TABLE foreign_txs`)
		_, err5 := db.exec(`ALTER TABLE accounts DROP COLUMN lent`)
		_, err6 := db.exec(`ALTER TABLE accounts ADD COLUMN signer TEXT NOT NULL DEFAULT ''`)
		_, err7 := db.exec(`DROP TABLE signers`)
		_, err10 := db.exec(`ALTER TABLE journal DROP COLUMN was_block`)
		_, err12 := db.exec(`ALTER TABLE settlements DROP COLUMN undone`)
		_, err13 := db.exec(`DROP TABLE backups`)
		_, err14 := db.exec(`DROP TABLE restores`)
		_, err4 := db.exec(`DELETE FROM schema_version WHERE version >= 6`)
		return errors.Join(err, err13, err14, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(t.Context(), filepath.Clean(dir)); !errors.Is(err, ErrOlderSchema) {
		t.Errorf("reading it: %v", err)
	}
	s = openStore(t, dir)
	if r := mustReceipt(t, s, "whole"); !r.Complete || r.Expected != "" {
		t.Errorf("whole: %+v", r)
	}
	if r := mustReceipt(t, s, "broken"); r.Complete {
		t.Errorf("broken: %+v", r)
	}
}

// A commit that failed may have taken effect all the same. What is written again then, its verdict with it, ends up as
// it was to be, once.
func TestVerdictOfARowThatIsThereAlready(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	r := mustOpen(t, m, order("a", alice))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.put(op{open: &r.row}); err != nil {
		t.Fatal(err)
	}
	out := answered()
	out.Verdict = zg.VerdictPending
	r.Close(out)
	m.SetVerdict("a", verified(""))
	m.SetVerdict("a", zg.Judgement{Verdict: zg.VerdictUnavailable})
	if got := mustReceipt(t, s, "a"); got.Verdict != zg.VerdictVerified || got.SignedText == "" || got.Signer != bob.Hex() || got.Fee == nil {
		t.Errorf("receipt %+v", got)
	}
}

// A signer that was not expected is recorded beside the one that was.
func TestReceiptOfAStranger(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	out := answered()
	out.Verdict = zg.VerdictPending
	mustOpen(t, m, order("a", alice)).Close(out)
	j := verified("wrong_signer")
	j.Verdict, j.Signer = zg.VerdictInvalid, alice
	m.SetVerdict("a", j)
	if got := mustReceipt(t, s, "a"); got.Signer != alice.Hex() || got.Expected != bob.Hex() {
		t.Errorf("signed by %s, expected %s", got.Signer, got.Expected)
	}
}
