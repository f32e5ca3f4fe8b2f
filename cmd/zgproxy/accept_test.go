package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// A suspension is shown wherever the provider is, with its reason, and ends when the owner accepts exactly what was shown.
func TestSuspendedProviderIsAccepted(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	alpha := w.net.Providers[0].Address()
	s, err := billing.Open(t.Context(), w.data, billing.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	old := zg.Pin{Provider: alpha, Signer: common.HexToAddress("0xb0"), Source: zg.SourceService, URL: "http://old.example", At: time.UnixMicro(1000).UTC()}
	why := zg.Suspension{Provider: alpha, Code: zg.SuspendedInvalid, Reason: "It lied.", RequestID: "req_9", At: time.UnixMicro(2000).UTC()}
	_, pinErr := s.Pin(old)
	_, suspendErr := s.Suspend(why)
	if err := errors.Join(pinErr, suspendErr, s.Close()); err != nil {
		t.Fatal(err)
	}
	trust := func() (zg.Pin, bool) {
		t.Helper()
		r, err := billing.OpenReadOnly(t.Context(), w.data)
		if err != nil {
			t.Fatal(err)
		}
		pins, suspended, err := r.Trust(t.Context())
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		_, is := suspended[alpha]
		return pins[alpha], is
	}

	// Without a daemon it is shown all the same.
	w.must(args("account"), "Suspended: It lied.", "zgproxy provider accept "+alpha.Hex())
	w.must(args("provider list"), alpha.Hex()+" is suspended: It lied.")
	w.child()
	var sub subReport
	w.eventually("looked at", func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		if sub = r.sub(alpha); sub.Drift == nil {
			return errors.New("not yet")
		}
		return nil
	})
	if sub.Suspended == nil || *sub.Suspended != (admin.Suspension{Code: why.Code, Reason: why.Reason, RequestID: why.RequestID, At: why.At}) ||
		!sub.Pinned.Same(pinReport(old)) || sub.Current == nil || sub.Current.Same(sub.Pinned) {
		t.Errorf("account: suspended %+v, pinned %+v, current %+v", sub.Suspended, sub.Pinned, sub.Current)
	}
	w.must(args("account"), "Suspended: It lied.")
	w.must(args("provider list"), "suspended", "It lied.")
	signer := w.net.Providers[0].TEESigner().Hex()
	w.must(args("provider accept "+alpha.Hex()+" --dry-run"), "ago: It lied.", "zgproxy receipts show req_9", old.Signer.Hex()+" → "+signer, "http://old.example → ")

	// What was not shown is not accepted.
	client, err := admin.NewClient(w.data)
	if err != nil {
		t.Fatal(err)
	}
	is := admin.Acceptance{Signer: sub.Signer, Pin: sub.Current, Suspension: sub.Suspended}
	for name, change := range map[string]func(*admin.Acceptance){
		"no suspension":      func(a *admin.Acceptance) { a.Suspension = nil },
		"another reason":     func(a *admin.Acceptance) { a.Suspension = &admin.Suspension{Code: zg.SuspendedURL, At: why.At} },
		"another suspension": func(a *admin.Acceptance) { a.Suspension = &admin.Suspension{Code: why.Code, At: time.Now()} },
		"another URL": func(a *admin.Acceptance) {
			a.Pin = &admin.Pin{Signer: sub.Current.Signer, Source: sub.Current.Source, URL: "http://other.example"}
		},
		"another source": func(a *admin.Acceptance) {
			a.Pin = &admin.Pin{Signer: sub.Current.Signer, Source: zg.SourceTarget, URL: sub.Current.URL}
		},
	} {
		a := is
		change(&a)
		var refused *admin.CommandError
		if err := client.Accept(t.Context(), alpha, a); !errors.As(err, &refused) || refused.Code != codeChanged {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if pin, suspended := trust(); !suspended || pin != old {
		t.Errorf("after the refusals: %+v, suspended %v", pin, suspended)
	}

	got := decode[acceptReport](w, w.must(args("provider accept "+alpha.Hex()+" --yes --json")))
	if !got.Before.Same(pinReport(old)) || !got.Accepted.Pin.Same(sub.Current) || got.Accepted.Suspension == nil || got.DryRun {
		t.Errorf("accepted %+v", got)
	}
	if pin, suspended := trust(); suspended || pin.Signer.Hex() != signer || pin.URL != sub.Current.URL || pin.At.Before(old.At.Add(time.Hour)) {
		t.Errorf("after it was accepted: %+v, suspended %v", pin, suspended)
	}
	r := decode[accountReport](w, w.must(args("account --json")))
	if sub := r.sub(alpha); sub.Suspended != nil || !sub.Pinned.Same(sub.Current) {
		t.Errorf("after it was accepted: %+v", sub)
	}
}

// laterOperator has looked at a provider only after some time.
type laterOperator struct {
	operator
	at      time.Time
	allowed bool
}

func (o *laterOperator) account(context.Context, bool) (accountReport, error) {
	sub := subReport{Provider: admin.Address{Address: common.HexToAddress("0xa1")}, Allowed: o.allowed}
	if !time.Now().Before(o.at) {
		sub.Drift = &amount{}
	}
	return accountReport{Accounts: []subReport{sub}}, nil
}

func codeOf(err error) string {
	if p, ok := errors.AsType[*admin.CommandError](err); ok {
		return p.Code
	}
	return ""
}

// Right after the start of the daemon there is nothing to accept yet; that is waited for.
func TestAcceptWaitsForTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after, code := range map[time.Duration]string{0: "", 3 * time.Second: "", time.Minute: codeRPC} {
			_, sub, err := lookedAt(t.Context(), &laterOperator{at: time.Now().Add(after), allowed: true}, common.HexToAddress("0xa1"))
			if got := codeOf(err); (err == nil) != (code == "") || (err == nil) != (sub.Drift != nil) || (err != nil && got != code) {
				t.Errorf("after %s: %+v, %v", after, sub, err)
			}
		}
		began := time.Now()
		for _, p := range []string{"0xa1", "0xb2"} { // one that has an account but is not allowed, and one that is not there
			if _, _, err := lookedAt(t.Context(), &laterOperator{at: began.Add(time.Hour)}, common.HexToAddress(p)); codeOf(err) != codeNotRegistered || time.Since(began) > 0 {
				t.Errorf("%s: %v after %s", p, err, time.Since(began))
			}
		}
	})
}

// The format is what the document says: a field that is renamed, gone or added without a word breaks those who read receipts.
func TestReceiptFormatIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/receipts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{zg.AnswerReceipt{}, zg.ReceiptUsage{}} {
		for field := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(string(doc), "`"+name+"`") {
				t.Errorf("docs/receipts.md says nothing of %s", name)
			}
		}
	}
	text, err := json.Marshal(zg.AnswerReceipt{Version: zg.ReceiptVersion})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	const always = "at complete id model price_in_neuron price_out_neuron provider request_bytes response_bytes route service_type stream version"
	if got := strings.Join(slices.Sorted(maps.Keys(fields)), " "); got != always {
		t.Errorf("an empty receipt has %s, want %s", got, always)
	}
}
