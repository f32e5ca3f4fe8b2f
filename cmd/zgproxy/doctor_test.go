package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Every check comes after those it needs, says what it means, and is in the manual as it is in the program.
func TestDoctorChecksAreInOrder(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range allChecks() {
		for _, id := range c.needs {
			if !seen[id] {
				t.Errorf("%s needs %s, which does not come before it", c.id, id)
			}
		}
		if seen[c.id] || c.means == "" || c.todo == "" || (c.run == nil) == (c.each == nil) {
			t.Errorf("%s is there twice, or is not whole", c.id)
		}
		if !slices.ContainsFunc(doctorGroups, func(g struct{ id, title string }) bool { return g.id == c.group() }) {
			t.Errorf("%s is of no group", c.id)
		}
		seen[c.id] = true
	}
	if len(seen) < 20 {
		t.Errorf("%d checks", len(seen))
	}
}

func TestDoctorManual(t *testing.T) {
	var want bytes.Buffer
	if err := writeCheckTable(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/doctor.md is out of date: go run ./cmd/zgproxy doctor --table > docs/doctor.md")
	}
}

func TestDoctorClock(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var none time.Time
	for name, c := range map[string]struct {
		date, block time.Time
		want        checkStatus
	}{
		"right":                            {now.Add(-time.Second), now.Add(-3 * time.Second), checkPass},
		"slightly fast":                    {now.Add(-2 * time.Minute), now.Add(-2 * time.Minute), checkWarn},
		"slow":                             {now.Add(2 * time.Minute), none, checkWarn},
		"hours slow":                       {now.Add(2 * time.Hour), none, checkFail},
		"an old block and no date":         {none, now.Add(-time.Hour), checkSkip},
		"an old block":                     {now, now.Add(-time.Hour), checkPass},
		"a block from the future":          {now, now.Add(2 * time.Minute), checkWarn},
		"a block from the future, no date": {none, now.Add(2 * time.Hour), checkFail},
		"a fresh block and no date":        {none, now.Add(-3 * time.Second), checkPass},
		"nothing":                          {none, none, checkSkip},
	} {
		if got := judgeClock(c.date, now, c.block, now); got.status != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestDoctorNonce(t *testing.T) {
	seven := signed{any: true, highest: 7}
	waiting := signed{any: true, highest: 7, under: true}
	one := billing.Foreign{Txs: make([]billing.ForeignTx, 1)}
	for name, c := range map[string]struct {
		next, pending uint64
		before, after signed
		want          checkStatus
	}{
		"nothing signed yet":        {7, 7, signed{}, signed{}, checkPass},
		"as recorded":               {8, 8, seven, seven, checkPass},
		"one under way":             {7, 8, waiting, waiting, checkPass},
		"ended meanwhile":           {8, 8, waiting, seven, checkPass},
		"signed and mined meantime": {9, 9, seven, signed{any: true, highest: 8}, checkPass},
		"signed after":              {8, 8, seven, signed{any: true, highest: 8, under: true}, checkPass},
		"sent by somebody":          {9, 9, seven, seven, checkWarn},
		"waiting, of somebody":      {8, 9, seven, seven, checkWarn},
		"of somebody, on record":    {9, 9, seven, signed{any: true, highest: 7, agreed: 9, foreign: one}, checkWarn},
		"of somebody, accepted":     {9, 9, seven, signed{any: true, highest: 7, agreed: 9}, checkPass},
		"used before":               {9, 9, signed{}, signed{agreed: 9}, checkPass},
		"by somebody, none of ours": {10, 10, signed{}, signed{agreed: 9}, checkWarn},
		"forgotten":                 {7, 7, seven, seven, checkWarn},
	} {
		if got := judgeNonce(c.next, c.pending, c.before, c.after); got.status != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestDoctorSlowRPC(t *testing.T) {
	for latency, want := range map[time.Duration]checkStatus{slowRPC: checkPass, slowRPC + 1: checkWarn} {
		d := &doctor{contact: func(context.Context) contact { return contact{latency: latency} }}
		if f := checkRPC(t.Context(), d, nil); f.status != want {
			t.Errorf("an answer after %s: %+v, want %s", latency, f, want)
		}
	}
}

// What a check needs keeps it from being made, all the way from the first cause; what does not apply keeps nothing from it.
func TestDoctorNeeds(t *testing.T) {
	d := &doctor{ended: map[string]finding{
		"a.failed": failed("x", "y", "z"), "a.warned": warned("x", "y", "z"), "a.skipped": skipped("not here"), "a.unknown": unknown("a.unknown", "", "not known"),
		"a.older": func() finding { f := warned("x", "y", "z"); f.cause = "a.older"; return f }(),
	}}
	d.ended["b.after"] = because("a.failed", checkFail)
	p := &patient{ended: map[string]finding{"p.failed": failed("x", "y", "z")}}
	for needs, want := range map[string]string{
		"": "PASS made", "a.warned": "PASS made", "a.skipped": "PASS made", "a.failed": "SKIP because a.failed failed", "b.after": "SKIP because a.failed failed",
		"a.unknown": "SKIP because a.unknown was skipped", "a.older": "SKIP because of what a.older has found", "p.failed": "SKIP because p.failed failed",
	} {
		c := check{id: "c.c", run: func(context.Context, *doctor, *patient) finding { return passed("made") }}
		if needs != "" {
			c.needs = []string{needs}
		}
		f, _ := d.make(t.Context(), &c, p)
		if got := string(f.status) + " " + f.summary; got != want {
			t.Errorf("needs %q: %s, want %s", needs, got, want)
		}
	}
}

func TestDoctorCertificate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for left, want := range map[time.Duration]checkStatus{6 * 24 * time.Hour: checkWarn, 8 * 24 * time.Hour: checkPass} {
		if got := judgeCertificate([]*x509.Certificate{{NotAfter: now.Add(left)}}, now); got.status != want {
			t.Errorf("%s left: %+v, want %s", left, got, want)
		}
	}
}

// A certificate that holds is looked at, one of an unknown issuer does not hold, and a name may not lead into a private network.
func TestDoctorConnection(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = quietLogger(zerolog.Nop())
	srv.StartTLS()
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(srv.Certificate())
	for roots, want := range map[*x509.CertPool]checkStatus{known: checkPass, x509.NewCertPool(): checkFail} {
		d := &doctor{now: time.Now, roots: roots}
		d.cfg.AllowPrivate = true
		p := &patient{url: u}
		connected, encrypted := checkConnect(t.Context(), d, p), checkTLS(t.Context(), d, p)
		p.close()
		if connected.status != checkPass || encrypted.status != want {
			t.Errorf("%+v, %+v, want %s", connected, encrypted, want)
		}
	}
	for allowed, want := range map[bool]checkStatus{false: checkFail, true: checkPass} {
		d := &doctor{}
		d.cfg.AllowPrivate = allowed
		if got := checkDNS(t.Context(), d, &patient{url: &url.URL{Scheme: "https", Host: "localhost"}}); got.status != want {
			t.Errorf("private addresses allowed: %v: %+v, want %s", allowed, got, want)
		}
	}
}

func TestDoctorLimits(t *testing.T) {
	for n, want := range map[uint64]checkStatus{255: checkFail, 256: checkWarn, 1024: checkPass, 1<<64 - 1: checkPass} {
		d := &doctor{limit: func() (uint64, error) { return n, nil }}
		if got := checkOpenFiles(t.Context(), d, nil); got.status != want {
			t.Errorf("%d files: %+v, want %s", n, got, want)
		}
	}
	for n, want := range map[uint64]checkStatus{leastDisk - 1: checkFail, smallDisk - 1: checkWarn, smallDisk: checkPass} {
		d := &doctor{free: func(string) (uint64, error) { return n, nil }}
		d.cfg.DataDir = t.TempDir()
		if got := checkDisk(t.Context(), d, nil); got.status != want {
			t.Errorf("%d bytes: %+v, want %s", n, got, want)
		}
	}
}

func TestDoctorLines(t *testing.T) {
	for in, want := range map[string]string{
		"as it is, ä…":      "as it is, ä…",
		"a\x1b[31mb\x07":    "a\ufffd[31mb\ufffd",
		"one\r\n  PASS two": "one    PASS two",
		"left\u202eright":   "left\ufffdright",
		"\x9b2J":            "\ufffd2J",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := []rune(oneLine(strings.Repeat("ä", 10_000))); len(got) != longestText+1 {
		t.Errorf("%d characters", len(got))
	}
	if got, want := shellWord("a'b; rm -rf /"), `'a'\''b; rm -rf /'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A claim that a settlement under way may explain is said, and is no failure.
func TestDoctorSaysWhatIsWatched(t *testing.T) {
	p := common.HexToAddress("0x1")
	none, some := money(zg.Neuron{}), money(zg.OneOG.Mul(2))
	for _, tt := range []struct {
		name           string
		drift, watched *amount
		status         checkStatus
		words          string
	}{
		{"watched", &none, &some, checkPass, "2 0G beyond what the book has"},
		{"nothing", &none, &none, checkPass, "no more than the book has"},
		{"drift", &some, &some, checkWarn, "2 0G"},
	} {
		sub := subReport{Provider: admin.Address{Address: p}, Drift: tt.drift, Watched: tt.watched}
		d := &doctor{account: &accountReport{Accounts: []subReport{sub}}}
		f := checkClaim(t.Context(), d, &patient{address: p})
		if f.status != tt.status || !strings.Contains(f.summary, tt.words) || (tt.name == "watched") != strings.Contains(f.summary, "watched") {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// A sub-account that is low and that the daemon cannot top up does not pass, and the reason says what the last try failed with.
func TestDoctorSaysWhyATopUpFails(t *testing.T) {
	p := common.Address{1}
	holdings := &zg.Holdings{Accounts: map[common.Address]zg.SubAccount{p: {Balance: ogs(t, "1.5"), Acknowledged: true}}}
	view := billing.ProviderView{Exists: true, Account: holdings.Accounts[p], Reason: "signing_failed", Failed: billing.Failed{Why: "no key in slot 3", At: time.Unix(1, 0)}}
	cfg := config.Config{Providers: []common.Address{p}}
	r := report(cfg, balances{holdings: *holdings, view: map[common.Address]billing.ProviderView{p: view}})
	d := &doctor{cfg: cfg, holdings: holdings, account: &r}
	for locked, want := range map[string]checkStatus{"1.5": checkWarn, "0.5": checkFail} {
		holdings.Accounts[p] = zg.SubAccount{Balance: ogs(t, locked)}
		f := checkGate(t.Context(), d, &patient{address: p})
		if f.status != want || !strings.Contains(f.reason, "no key in slot 3") || f.fix == "" {
			t.Errorf("%s 0G: %+v", locked, f)
		}
	}
	if note := r.sub(p).Note; !strings.Contains(note, "The last try, at 1970-01-01T00:00:01Z: no key in slot 3.") {
		t.Errorf("zgproxy account says %q", note)
	}
}

// Each of several endpoints is judged separately, and by what the others say.
func TestDoctorJudgesEndpoints(t *testing.T) {
	now := time.Now()
	at := func(p chain.Probe) chain.Probe {
		p.ChainID, p.Head = 5, chain.Head{Number: 100, Time: now.Add(-p.Age)}
		return p
	}
	for _, tt := range []struct {
		name  string
		p     chain.Probe
		well  int
		want  checkStatus
		words string
	}{
		{"well", at(chain.Probe{}), 2, checkPass, "chain 5, block 100, the newest, answers in 1 ms"},
		{"a little behind", at(chain.Probe{Behind: 2, Age: 2 * time.Second}), 2, checkPass, "2 blocks behind"},
		{"behind", at(chain.Probe{Behind: 40, Age: 40 * time.Second}), 2, checkWarn, "it is behind: chain 5, block 100, 40 blocks behind"},
		{"far ahead", at(chain.Probe{Ahead: 90, Age: -90 * time.Second}), 3, checkWarn, "it is far ahead"},
		{"slow", at(chain.Probe{Took: slowRPC + 1}), 2, checkWarn, "it is slow"},
		{"dead", chain.Probe{Err: errors.New("connection refused")}, 1, checkWarn, "it cannot be asked; 1 other can"},
		{"dead as all", chain.Probe{Err: errors.New("connection refused")}, 0, checkFail, "no other one can"},
		{"another chain", chain.Probe{ChainID: 1}, 1, checkFail, "it serves chain 1, configured is 5"},
		{"one of two differs", at(chain.Probe{Differs: true, Compared: 99}), 2, checkFail, "its block 99 is another one than the other endpoint's"},
		{"one of three differs", at(chain.Probe{Differs: true, Compared: 99}), 3, checkFail, "its block 99 is another one than most others have"},
	} {
		f := judgeEndpoint(&tt.p, 5, tt.well, now)
		if f.status != tt.want || !strings.Contains(f.summary, tt.words) || (f.reason == "" || f.fix == "") != (tt.want == checkPass) {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// The endpoints are named in text and in JSON, without what their URLs hide.
func TestDoctorNamesEndpoints(t *testing.T) {
	d := &doctor{now: time.Now, date: &dateKeeper{next: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the network is unreachable")
	}}}}
	const hidden = "c0ffee-5ecret"
	if err := d.cfg.RPCURL.Decode("http://a%E2%80%AE:1/" + hidden + ",http://u:" + hidden + "@127.0.0.1:1/" + hidden + ",http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := doctorPrinter{console: console{out: &out}}
	d.tellEach(t.Context(), &check{id: "network.endpoint", each: checkEndpoints}, func(r checkReport) {
		p.print(r)
		if err := writeJSON(&out, r); err != nil {
			t.Error(err)
		}
	})
	text := out.String()
	if strings.Contains(text, hidden) || strings.Contains(text, "\u202e") || strings.Contains(text, `\u202e`) {
		t.Errorf("it says %s", text)
	}
	for _, name := range []string{"a\ufffd:1: it cannot be asked", "127.0.0.1:1: it cannot be asked", "127.0.0.1:1 (2): it cannot be asked", `"name": "127.0.0.1:1 (2)"`} {
		if !strings.Contains(text, name) {
			t.Errorf("it does not say %q: %s", name, text)
		}
	}
}
