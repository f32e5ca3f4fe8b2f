package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// signedReceipt is one as a provider and zgproxy together make it.
func signedReceipt(tb testing.TB, key *ecdsa.PrivateKey, n int) (r zg.AnswerReceipt, request, response []byte) {
	tb.Helper()
	request, response = fmt.Appendf(nil, `{"model":"m","n":%d}`, n), fmt.Appendf(nil, `{"id":"chatcmpl-%d"}`, n)
	digest := func(b []byte) string { d := sha256.Sum256(b); return hex.EncodeToString(d[:]) }
	at := time.UnixMicro(1_764_000_000_000_000 + int64(n)).UTC()
	fee := zg.NeuronOf(uint64(n))
	signer := crypto.PubkeyToAddress(key.PublicKey).Hex()
	r = zg.AnswerReceipt{
		Version: zg.ReceiptVersion, ID: fmt.Sprintf("req_%024x", n), ChatID: fmt.Sprintf("chatcmpl-%d", n), At: at, Network: "devnet", ChainID: 31337,
		Provider: signer, Route: "/v1/chat/completions", Type: zg.Chatbot, Model: "m", Complete: true,
		RequestSHA256: digest(request), RequestBytes: int64(len(request)), ResponseSHA256: digest(response), ResponseBytes: int64(len(response)),
		Verdict: zg.VerdictVerified, VerdictAt: &at, Signer: signer, Expected: signer, TextForm: "plain", ByteForm: zg.WireBytes, Fee: &fee, FeeBasis: zg.FeeExact,
	}
	r.SignedText = zg.PeerText(r.RequestSHA256 + ":" + r.ResponseSHA256)
	sig, err := crypto.Sign(accounts.TextHash([]byte(r.SignedText)), key)
	if err != nil {
		tb.Fatal(err)
	}
	sig[64] += 27
	r.Signature = zg.PeerText("0x" + hex.EncodeToString(sig))
	return r, request, response
}

// receiptLine is a receipt as it is exported.
func receiptLine(tb testing.TB, r zg.AnswerReceipt) string {
	tb.Helper()
	var b bytes.Buffer
	if err := writeLine(&b, &r, false); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// verify runs the command over an input, without a configuration.
func verify(tb testing.TB, in string, more ...string) (status int, out verifyReport, stderr string) {
	tb.Helper()
	status, text, stderr := verifyText(tb, in, append(more, "--json")...)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil && status != exitUsage {
		tb.Fatalf("%v in %q, %s", err, text, stderr)
	}
	return status, out, stderr
}

func verifyText(tb testing.TB, in string, more ...string) (status int, stdout, stderr string) {
	tb.Helper()
	var out, errOut bytes.Buffer
	root := rootCommand()
	root.SetArgs(append([]string{"receipts", "verify", "-"}, more...))
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(&errOut)
	if err := root.ExecuteContext(tb.Context()); err != nil {
		status = exitWith(err, &errOut)
	}
	return status, out.String(), errOut.String()
}

// Whatever form receipts come in, each is checked, and what is malformed is named by its number and nothing else is lost.
func TestReceiptsAreReadInEveryForm(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for n := range 3 {
		r, _, _ := signedReceipt(t, key, n)
		lines = append(lines, receiptLine(t, r))
	}
	pretty := func(line string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(line), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	all := strings.Join(lines, "")
	array := "[" + strings.Join(lines, ",") + "]"
	for name, tt := range map[string]struct {
		in       string
		receipts int
		bad      []int
	}{
		"lines":                       {all, 3, nil},
		"without the last line's end": {strings.TrimSuffix(all, "\n"), 3, nil},
		"blank lines, other ends":     {"\n" + strings.ReplaceAll(all, "\n", "\r\n\r\n"), 3, nil},
		"one, over many lines":        {pretty(lines[0]), 1, nil},
		"an array":                    {array, 3, nil},
		"an array over many lines":    {" \n" + pretty(array), 3, nil},
		"nothing":                     {"", 0, nil},
		"blanks":                      {" \n\n", 0, nil},
		"a broken line":               {lines[0] + "{\"version\":1,\n" + lines[1] + "nonsense\n" + lines[2], 5, []int{2, 4}},
		"the first line is broken":    {"{\"version\":\n" + lines[1] + lines[2], 3, []int{1}},
		"a line that is no receipt":   {"17\n" + lines[0], 2, []int{1}},
		"a line that is too long":     {lines[0] + `{"id":"` + strings.Repeat("x", longestReceipt) + "\"}\n" + lines[1], 3, []int{2}},
		"the last line is too long":   {lines[0] + strings.Repeat("y", 2*longestReceipt), 2, []int{2}},
		"a torn array":                {"[" + lines[0] + "," + lines[1][:50], 1, []int{2}},
		"an array that goes on":       {array + lines[0], 3, []int{4}},
		"an array of something long":  {"[" + lines[0] + `,"` + strings.Repeat("x", 2*longestReceipt) + `"]`, 1, []int{2}},
		"an array of something else":  {"[" + lines[0] + ",17," + lines[1] + "]", 3, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			status, got, stderr := verify(t, tt.in)
			var bad []int
			for _, p := range got.Problems {
				bad = append(bad, p.Line)
			}
			if diff := cmp.Diff(tt.bad, bad); diff != "" || got.Receipts != tt.receipts || (status == 0) != (len(tt.bad) == 0) || status > 1 || stderr != "" {
				t.Errorf("status %d, %d receipts, %q\n%+v\n%s", status, got.Receipts, stderr, got.Problems, diff)
			}
		})
	}
}

// What was changed in a receipt is found, in the right line, and what was not is not accused.
func TestTamperedReceiptsAreFound(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	zeros := strings.Repeat("0", 64)
	for name, change := range map[string]func(*zg.AnswerReceipt){
		"the answer":      func(r *zg.AnswerReceipt) { r.ResponseSHA256 = zeros },
		"the request":     func(r *zg.AnswerReceipt) { r.RequestSHA256 = zeros },
		"the signed text": func(r *zg.AnswerReceipt) { r.SignedText = zg.PeerText(zeros + ":" + zeros) },
		"the signature": func(r *zg.AnswerReceipt) {
			r.Signature = zg.PeerText(strings.Replace(string(r.Signature), "0x", "0x00", 1))[:132]
		},
		"no signature":          func(r *zg.AnswerReceipt) { r.Signature = "" },
		"who had to sign":       func(r *zg.AnswerReceipt) { r.Expected = "0x00000000000000000000000000000000000000b0" },
		"who signed":            func(r *zg.AnswerReceipt) { r.Signer = "0x00000000000000000000000000000000000000b0" },
		"the verdict":           func(r *zg.AnswerReceipt) { r.ResponseSHA256, r.Verdict = zeros, zg.VerdictResponse },
		"a version to come":     func(r *zg.AnswerReceipt) { r.Version = 2 },
		"the verdict, downward": func(r *zg.AnswerReceipt) { r.Verdict = zg.VerdictInvalid },
	} {
		t.Run(name, func(t *testing.T) {
			var in strings.Builder
			for n := range 3 {
				r, _, _ := signedReceipt(t, key, n)
				if n == 1 {
					change(&r)
				}
				in.WriteString(receiptLine(t, r))
			}
			status, got, _ := verify(t, in.String())
			if status != exitFailure || got.Receipts != 3 || got.OK != 2 || len(got.Problems) == 0 {
				t.Fatalf("status %d, %+v", status, got)
			}
			for _, p := range got.Problems {
				if p.Line != 2 || p.ID != fmt.Sprintf("req_%024x", 1) || p.Problem == "" {
					t.Errorf("problem %+v", p)
				}
			}
			if status, out, stderr := verifyText(t, in.String()); status != exitFailure || stderr != "" || !strings.Contains(out, "3 receipts checked, 2 as they say.") || !strings.Contains(out, "-:2 req_") {
				t.Errorf("status %d, %s\n%s", status, out, stderr)
			}
		})
	}
}

// With the answer and the request at hand, it is checked that the receipt is about them.
func TestReceiptsAreComparedWithBodies(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var lines []string
	var ids []string
	for n := range 3 {
		r, request, response := signedReceipt(t, key, n)
		ids, lines = append(ids, r.ID), append(lines, receiptLine(t, r))
		if n == 1 {
			response = append(response, ' ')
		}
		if n < 2 { // of the last one there is nothing
			file(r.ID+".request", request)
			file(r.ID+".response", response)
		}
	}
	in := strings.Join(lines, "")
	status, got, _ := verify(t, in, "--bodies", dir)
	if status != exitFailure || got.OK != 2 || len(got.Problems) == 0 || got.Problems[0].ID != ids[1] {
		t.Errorf("with the bodies: status %d, %+v", status, got)
	}
	if status, got, _ := verify(t, lines[0], "--body", filepath.Join(dir, ids[0]+".response"), "--request", filepath.Join(dir, ids[0]+".request")); status != 0 || got.OK != 1 {
		t.Errorf("with its own: status %d, %+v", status, got)
	}
	if status, got, _ := verify(t, lines[0], "--body", file("empty", nil)); status != exitFailure || got.OK != 0 {
		t.Errorf("with an empty answer: status %d, %+v", status, got)
	}
	if status, got, _ := verify(t, lines[0], "--request", filepath.Join(dir, ids[1]+".request")); status != exitFailure || got.OK != 0 {
		t.Errorf("with another request: status %d, %+v", status, got)
	}
	if status, _, _ := verifyText(t, in, "--body", filepath.Join(dir, ids[0]+".response")); status != exitUsage {
		t.Errorf("one answer for three: status %d", status)
	}
	if status, _, _ := verifyText(t, in, "--body", "x", "--bodies", dir); status != exitUsage {
		t.Errorf("both: status %d", status)
	}
	if status, _, stderr := verifyText(t, in, "--bodies", filepath.Join(dir, "missing")); status != exitFailure || stderr == "" {
		t.Errorf("a directory that is not there: status %d, %s", status, stderr)
	}
	// An id cannot lead out of the directory.
	r, _, _ := signedReceipt(t, key, 9)
	r.ID = "../" + filepath.Base(dir) + "/" + ids[1]
	if status, got, _ := verify(t, receiptLine(t, r), "--bodies", dir); status != 0 || got.OK != 1 {
		t.Errorf("an id with a path in it: status %d, %+v", status, got)
	}
}

// Ten thousand receipts take seconds.
func BenchmarkVerifyReceipts(b *testing.B) {
	key, err := crypto.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	var in strings.Builder
	for n := range 1000 {
		r, _, _ := signedReceipt(b, key, n)
		in.WriteString(receiptLine(b, r))
	}
	for b.Loop() {
		if status, got, _ := verify(b, in.String()); status != 0 || got.OK != 1000 {
			b.Fatalf("status %d, %+v", status, got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/receipt")
}

// A file is replaced whole or not at all, and only its owner reads it.
func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := writeFile(path, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return broken
	})
	left, readErr := os.ReadDir(filepath.Dir(path))
	if text, _ := os.ReadFile(path); !errors.Is(err, broken) || string(text) != "old" || len(left) != 1 || readErr != nil {
		t.Errorf("after a failure: %v, %q, %d files", err, text, len(left))
	}
	if err := writeFile(path, func(w io.Writer) error { _, err := w.Write([]byte("new")); return err }); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	info, err := os.Stat(path)
	if err != nil || string(text) != "new" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", text, info.Mode(), err)
	}
}

// From an answer to its receipt and back: what the daemon recorded is listed, shown, exported and holds.
func TestReceiptsOfADaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.must(args("receipts list"), "No request has been recorded")
	w.expect(exitFailure, args("receipts show req_1"), "is recorded")
	w.must(args("receipts export"))
	d := w.child()
	chat := `{"model":"%s","messages":[{"role":"user","content":"hello"}],"stream":%v}`
	var ids []string
	var answers [][]byte
	for _, stream := range []bool{false, true} {
		resp, body := w.post("/v1/chat/completions", "application/json", fmt.Appendf(nil, chat, "lorem-1", stream))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		ids, answers = append(ids, resp.Header.Get("X-Request-Id")), append(answers, body)
		w.record(ids[len(ids)-1], true)
	}
	if resp, _ := w.post("/v1/chat/completions", "application/json", fmt.Appendf(nil, chat, "nobody-has-it", false)); resp.StatusCode != http.StatusNotFound {
		t.Fatalf("an unknown model: %d", resp.StatusCode)
	}

	// Beside the daemon, and by its page.
	list := decode[receiptsReport](w, w.must(args("receipts list --json")))
	if len(list.Receipts) != 2 || list.More || list.Receipts[0].ID != ids[1] || list.Receipts[1].ID != ids[0] {
		t.Fatalf("list = %+v", list)
	}
	w.must(args("receipts list --limit 1"), ids[1], "verified", "--limit 0", "1 verified")
	first := decode[zg.AnswerReceipt](w, w.must([]string{"receipts", "show", ids[0], "--json"}))
	if first.Network != "devnet" || first.ChainID == 0 || first.Verdict != zg.VerdictVerified || first.SignedText == "" || first.Signature == "" || !first.Complete || first.Stream {
		t.Errorf("receipt = %+v", first)
	}
	w.must([]string{"receipts", "show", first.ChatID}, ids[0], string(first.Signature), zg.VerdictVerified.Sentence())
	for _, id := range []string{ids[0], first.ChatID} {
		code, body := w.get(w.daemon.admin + "/v1/receipts/" + id)
		var page zg.AnswerReceipt
		if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 {
			t.Fatalf("%d %s, %v", code, body, err)
		}
		if diff := cmp.Diff(first, page, cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })); diff != "" {
			t.Errorf("the page of %s (-command +page):\n%s", id, diff)
		}
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}

	// And without it.
	out := filepath.Join(t.TempDir(), "receipts.jsonl")
	w.must([]string{"receipts", "export", "--out", out}, "2 receipts written to")
	exported, err := os.ReadFile(out)
	if err != nil || bytes.Count(exported, []byte("\n")) != 2 {
		t.Fatalf("%v in\n%s", err, exported)
	}
	if got := w.must(args("receipts export")); got.stdout != string(exported) {
		t.Errorf("on the standard output it is\n%s, in a file\n%s", got.stdout, exported)
	}
	w.must([]string{"receipts", "verify", out}, "2 receipts checked, 2 as they say.", "verified")
	answer := filepath.Join(t.TempDir(), "answer")
	one := filepath.Join(t.TempDir(), "one.json")
	if err := errors.Join(os.WriteFile(answer, answers[0], 0o600), os.WriteFile(one, []byte(w.must([]string{"receipts", "show", ids[0], "--json"}).stdout), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.must([]string{"receipts", "verify", one, "--body", answer}, "1 receipt checked, 1 as they say.")
	if err := os.WriteFile(answer, answers[1], 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(exitFailure, []string{"receipts", "verify", one, "--body", answer}, "0 as they say")
	if err := os.WriteFile(out, bytes.Replace(exported, []byte(first.ResponseSHA256), []byte(strings.Repeat("0", 64)), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(exitFailure, []string{"receipts", "verify", out}, out+":1 "+ids[0])
	w.expect(exitFailure, []string{"receipts", "verify", out + ".missing"}, "no such file")
	w.must(args("receipts list --verdict invalid"), "No such receipts")
	w.must(args("receipts list --until 2026-01-01 --since 2025-12-01"), "No such receipts since 2025-12-01")
	for line, says := range map[string]string{
		"receipts list --verdict good": "wanted: one of verified", "receipts list --since yore": "--since", "receipts export --until yore": "--until",
		"receipts list --provider 0x1": "not an address", "receipts verify": "at least 1 arg", "receipts show": "accepts 1 arg",
	} {
		w.expect(exitUsage, args(line), says)
	}
	got := w.command(args("receipts show nothing --json")...)
	if e := decode[errorReport](w, got); e.Error.Code != codeNotFound || got.code != exitFailure {
		t.Errorf("status %d, %+v", got.code, e)
	}
	w.must(args("receipts"), "verify", "export")
}

// What is shown before the question names what was, what is, and why the provider is suspended.
func TestToAccept(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	addr := func(s string) admin.Address {
		var a admin.Address
		if err := a.UnmarshalText([]byte("0x" + strings.Repeat("0", 38) + s)); err != nil {
			t.Fatal(err)
		}
		return a
	}
	drift := money(zg.Neuron{})
	sub := subReport{
		Drift: &drift, Signer: addr("02"), OtherSigner: true, Pinned: &admin.Pin{Signer: addr("01"), Source: zg.SourceService, URL: "https://one.example"},
		Current:   &admin.Pin{Signer: addr("03"), Source: zg.SourceTarget, URL: "https://one.example"},
		Suspended: &admin.Suspension{Code: zg.SuspendedInvalid, Reason: "It lied.", RequestID: "req_9", At: now.Add(-5 * time.Minute)},
	}
	want := `  suspended  5 min ago: It lied.
  request    req_9, see zgproxy receipts show req_9
  drift      0 0G taken or claimed beyond what was witnessed
  signer     0x0000000000000000000000000000000000000002, which is another one than before
  answers    signed by 0x0000000000000000000000000000000000000001 → 0x0000000000000000000000000000000000000003 (the model's own enclave)
  URL        https://one.example, as before
`
	if diff := cmp.Diff(want, toAccept(&sub, now).String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sub.Suspended, sub.Pinned, sub.Current = nil, nil, nil
	if got := toAccept(&sub, now).String(); !strings.Contains(got, "registered") || strings.Contains(got, "suspended") {
		t.Errorf("not registered:\n%s", got)
	}
	sub.Current = &admin.Pin{URL: "https://one.example"}
	if got := toAccept(&sub, now).String(); !strings.Contains(got, "signed by nobody") {
		t.Errorf("a service that signs nothing:\n%s", got)
	}
}
