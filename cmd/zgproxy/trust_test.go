package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// moving is a network whose beta changes its service while a daemon uses it.
func moving(t *testing.T, env ...string) (w *world, move func(change func(*simchain.ServiceParams))) {
	t.Helper()
	w = newWorld(t, devnet.Config{})
	p := w.net.Providers[1]
	w.env = append(append(w.net.Env(), "ZGPROXY_PROVIDERS="+p.Address().Hex(), "ZGPROXY_DIRECTORY_REFRESH=100ms"), env...)
	h := &hostile{world: w, p: p}
	return w, h.register
}

func elsewhere(s *simchain.ServiceParams) {
	s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// asked sends a small chat and returns status, body and the request's id.
func (w *world) asked() (status int, body, id string) {
	w.Helper()
	resp, data := w.post("/v1/chat/completions", "application/json", []byte(smallBody))
	return resp.StatusCode, string(data), resp.Header.Get("X-Request-Id")
}

func (w *world) refusedWith(code string) {
	w.Helper()
	w.eventually("refused with "+code, func() error {
		status, body, _ := w.asked()
		if status != http.StatusServiceUnavailable || !strings.Contains(body, code) {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// What has changed is used again when the owner has accepted it, and not before: a restart does not forget.
func TestChangedProviderIsSuspended(t *testing.T) {
	w, move := moving(t)
	first := w.inProcess()
	if status, body, _ := w.asked(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	move(elsewhere)
	w.refusedWith("provider_suspended")
	status, body, _ := w.asked()
	for _, say := range []string{"localhost", "zgproxy provider accept " + w.lorem().Address().Hex(), "Nothing was sent"} {
		if !strings.Contains(body, say) {
			t.Errorf("the refusal (%d) does not say %q: %s", status, say, body)
		}
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	w.inProcess()
	w.refusedWith("provider_suspended")
	w.suspendedOnce(w.lorem().Address())
	status, body, id := w.asked()
	if status != http.StatusOK {
		t.Fatalf("after it was accepted: %d %s", status, body)
	}
	if rec := w.record(id, true); rec.Verdict != zg.VerdictVerified {
		t.Errorf("verdict %s, want verified", rec.Verdict)
	}
}

// A lost acknowledgement keeps requests away, callers are told so, and it ends by itself when the chain vouches again: for the
// signer that is known. For another one the owner is asked.
func TestUnacknowledgedProviderWaits(t *testing.T) {
	t.Parallel() // what is waited for takes half a minute
	w, move := moving(t, "ZGPROXY_SIGNER_GRACE=0s")
	d := w.inProcess()
	p := w.lorem().Address()
	if err := w.net.Chain.RevokeSigner(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.refusedWith("comes back automatically")
	if _, body, _ := w.asked(); strings.Contains(body, "provider accept") {
		t.Errorf("the refusal asks the owner for what waiting brings: %s", body)
	}
	back := func() error {
		if status, body, _ := w.asked(); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	}
	if err := w.net.Chain.AcknowledgeSigner(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.eventually("served again by itself", back)
	if strings.Contains(d.log.String(), "provider suspended") {
		t.Error("it was suspended meanwhile")
	}
	// Of another signer the owner is asked, whatever it waited for.
	if err := w.net.Chain.RevokeSigner(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.refusedWith("comes back automatically")
	move(func(s *simchain.ServiceParams) { s.TEESigner = common.HexToAddress("0xbad") }) // acknowledged, too
	w.refusedWith("zgproxy provider accept " + p.Hex())
}

// In its grace a changed provider is used on; nothing is paid in to it any more.
func TestChangedProviderHasGrace(t *testing.T) {
	w, move := moving(t, "ZGPROXY_SIGNER_GRACE=1h")
	d := w.inProcess()
	move(elsewhere)
	w.eventually("suspended", func() error {
		if _, status := w.get(d.admin + "/v1/status"); !strings.Contains(status, `"suspended"`) {
			return errors.New(status)
		}
		return nil
	})
	if status, body, _ := w.asked(); status != http.StatusOK {
		t.Errorf("in its grace: %d %s", status, body)
	}
	// An answer that does not match has none.
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.SignatureOtherBytes})
	w.eventually("refused after an answer that does not match", func() error {
		status, body, _ := w.asked()
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// An entry that is written again as it was changes nothing.
func TestUnchangedProviderStays(t *testing.T) {
	w, move := moving(t)
	d := w.inProcess()
	block := func() (uint64, error) {
		var s struct{ Directory struct{ Block uint64 } }
		_, status := w.get(d.admin + "/v1/status")
		err := json.Unmarshal([]byte(status), &s)
		return s.Directory.Block, err
	}
	before, err := block()
	if err != nil {
		t.Fatal(err)
	}
	move(func(*simchain.ServiceParams) {}) // two transactions
	w.eventually("read again", func() error {
		if now, err := block(); err != nil || now < before+2 {
			return fmt.Errorf("block %d after %d, %w", now, before, err)
		}
		return nil
	})
	if status, body, _ := w.asked(); status != http.StatusOK {
		t.Errorf("an entry that was written again as it was: %d %s", status, body)
	}
}

// A killed daemon had answers to check; the next one checks them. What was answered before is recognised when it comes again.
func TestVerdictsSurviveAKill(t *testing.T) {
	t.Parallel()
	w, _ := moving(t)
	d := w.child()
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.SignatureLate, Delay: 3 * time.Second, N: 1})
	status, body, late := w.asked()
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.AnswerKept, N: 1})
	_, _, kept := w.asked()
	if rec := w.record(kept, true); rec.Verdict != zg.VerdictVerified {
		t.Fatalf("verdict %s", rec.Verdict)
	}
	w.record(late, false) // closed
	d.kill()
	w.child()
	if rec := w.record(late, true); rec.Verdict != zg.VerdictVerified && rec.Verdict != zg.VerdictResponse {
		t.Errorf("the verdict of an answer from before the kill is %s", rec.Verdict)
	}
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.AnswerReplayed, N: 1})
	_, _, again := w.asked()
	if rec := w.record(again, true); rec.Verdict != zg.VerdictReplayed {
		t.Errorf("an answer from before the kill came again: verdict %s, want replayed", rec.Verdict)
	}
	var receipt zg.AnswerReceipt
	if code, body := w.get(w.daemon.admin + "/v1/receipts/" + late); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	} else if err := json.Unmarshal([]byte(body), &receipt); err != nil {
		t.Fatal(err)
	}
	if f := attest.VerifyReceipt(receipt, nil, nil); !f.OK {
		t.Errorf("its receipt: %+v", f)
	}
}
