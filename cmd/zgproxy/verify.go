package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/proxy"
	"github.com/zgproxy/zgproxy/internal/trust"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// Providers keep a signature for 20 minutes.
	signaturesKept = 20 * time.Minute
	// What was signed is remembered for a day, so that it is noticed when it comes again.
	replayMemory = 24 * time.Hour
	// How much of that is taken over from the store at a start.
	replayPreload = 50_000
)

// signatureKey is the name under which the provider keeps its signature over an answer; empty where there is none.
func signatureKey(a *proxy.Answered) string {
	if a.ResKey == "" && a.Offer.Service.Info.TargetSeparated {
		return a.ChatID // a separate model enclave signs under the answer's own id
	}
	return a.ResKey
}

// verdict says whether an answer's signature will be checked.
func (d *daemon) verdict(a *proxy.Answered) zg.Judgement {
	switch _, signs := a.Offer.Service.Signer(); {
	case d.verify == nil:
		return zg.Judgement{}
	case !signs:
		return d.verify.Unsigned(a.Offer.Service.Provider, attest.CodeUnsigned)
	case signatureKey(a) == "":
		return d.verify.Unsigned(a.Offer.Service.Provider, attest.CodeNoKey)
	}
	// What a restart has to know to go on with it is on record with the pending verdict.
	j := zg.Judgement{Verdict: zg.VerdictPending}
	switch {
	case len(a.Images) == 0:
	case a.Extras:
		j.Code = attest.CodeExtras
	case a.Removed:
		j.Code = attest.CodeUnsignedRemoved
	}
	return j
}

// answered hands a finished exchange to the signature check.
func (d *daemon) answered(a *proxy.Answered) { d.verify.Submit(d.exchange(a)) }

// judge checks an answer's signature while somebody waits for it.
func (d *daemon) judge(ctx context.Context, a *proxy.Answered) zg.Judgement {
	return d.verify.Judge(ctx, d.exchange(a))
}

func (d *daemon) exchange(a *proxy.Answered) attest.Exchange {
	x := d.exchangeWith(&a.Offer.Service)
	x.At = time.Now()
	x.RequestID, x.Model, x.ResKey, x.Stream, x.Complete = a.RequestID, a.Offer.Model, signatureKey(a), a.Stream, a.Complete
	x.Request, x.Response, x.RequestSHA256, x.ResponseSHA256, x.Images = a.Request, a.Response, a.RequestSHA256, a.ResponseSHA256, a.Images
	x.Extras, x.Removed = a.Extras, a.Removed
	return x
}

// exchangeWith is what an exchange has of its provider. The signer that counts is the one the owner knows: what the chain
// says now is compared with it where an answer's is another.
func (d *daemon) exchangeWith(svc *zg.Service) attest.Exchange {
	signer, signs := svc.Signer()
	if pin, ok := d.trust.Pin(svc.Provider); ok && pin.Signer != (common.Address{}) {
		signer = pin.Signer
	}
	return attest.Exchange{
		Provider: svc.Provider, Type: svc.Type, BaseURL: svc.URL, Signer: signer, Signed: signs,
		Separated: svc.Info.Separated(), Centralized: svc.Info.Centralized(),
	}
}

// recordVerdict takes a result: into the record, and if the signature does not match, out of the routes with the provider.
func (d *daemon) recordVerdict(x attest.Exchange, j zg.Judgement) {
	d.meter.SetVerdict(x.RequestID, j)
	d.board.Verdict(x.Provider, j.Verdict)
	level := zerolog.DebugLevel
	if !j.Passes() {
		level = zerolog.WarnLevel
	}
	d.log.WithLevel(level).Str("request_id", x.RequestID).Str("provider", x.Provider.Hex()).Str("verdict", string(j.Verdict)).Str("code", j.Code).Msg("verdict")
	if j.Verdict != zg.VerdictInvalid {
		return
	}
	why := zg.Suspension{
		Provider: x.Provider, Code: zg.SuspendedInvalid, RequestID: x.RequestID, At: time.Now(),
		Reason: "The signature of an answer does not match: " + j.Sentence(x.Centralized) + ".",
	}
	if j.Code == attest.CodeWrongSigner {
		if d.trust.Straggles(x.Provider, j.Signer, x.At) {
			return
		}
		// Forged, or signed by a provider in the middle of an upgrade, whose new signer is not on chain yet: it cannot be told
		// apart until the chain names that signer.
		why.Code, why.Signer = zg.SuspendedStranger, j.Signer
		why.Reason += fmt.Sprintf(" If it is being upgraded, this ends when the chain names %s as its signer.", j.Signer.Hex())
	}
	d.trust.Suspend(why)
}

var (
	errNotListed = errors.New("the provider is not in the directory")
	errUnvouched = errors.New("nobody vouches for the provider's signer now, as happens while it is upgraded")
)

// freshSigner reads now whose signature counts for a provider; the zero address where nobody's does. While its signer is not
// vouched for, nothing can be said about whose counts: an upgrade looks like that.
func (d *daemon) freshSigner(ctx context.Context, p common.Address) (common.Address, error) {
	if err := d.directory.Refresh(ctx); err != nil {
		return common.Address{}, err
	}
	s, ok := zg.ServiceOf(d.directory.Snapshot().Services, p)
	if !ok {
		return common.Address{}, errNotListed
	}
	if !s.TEESignerAcknowledged {
		return common.Address{}, errUnvouched
	}
	signer, _ := s.Signer()
	return signer, nil
}

// checkPins compares the providers in use with what they were when the owner began to use them. What has changed is read
// again before it counts: one reading may come from an endpoint that lies or lags.
func (d *daemon) checkPins(ctx context.Context) {
	for _, p := range d.cfg.Providers {
		code, svc := d.changedSince(p)
		d.trust.Saw(svc)
		if err := d.trust.Explained(svc); err != nil {
			d.log.Error().Err(err).Str("provider", p.Hex()).Msg("the suspension of a provider could not be ended")
		}
		_, suspended := d.trust.Suspension(p)
		if svc.TEESignerAcknowledged && (code == "" || suspended) {
			d.trust.Waited(p)
		}
		back := d.trust.ComesBack(svc, code)
		_, waits := d.trust.Waits(p)
		if !back && (code == "" || (code == zg.SuspendedUnacked && waits)) {
			continue
		}
		if suspended && !back && code != zg.SuspendedUnacked {
			continue
		}
		if err := d.directory.Refresh(ctx); err != nil {
			d.log.Warn().Err(err).Str("provider", p.Hex()).Str("code", code).Msg("a provider seems to have changed, which could not be confirmed; nothing follows from it yet")
			continue
		}
		d.changed(p)
	}
}

// changed acts on a change of a provider that two readings have shown.
func (d *daemon) changed(p common.Address) {
	code, svc := d.changedSince(p)
	if d.trust.ComesBack(svc, code) {
		if err := d.trust.TakeBack(svc, time.Now()); err != nil {
			d.log.Error().Err(err).Str("provider", p.Hex()).Msg("a provider that is what it was before could not be taken back")
		}
		return
	}
	if code == "" {
		d.trust.Waited(p)
		return
	}
	pin, _ := d.trust.Pin(p)
	why := zg.Suspension{Provider: p, Code: code, At: time.Now(), Reason: trust.ChangeReason(code, pin, svc)}
	if code == zg.SuspendedUnacked {
		d.trust.Wait(why)
		return
	}
	d.trust.Suspend(why) // before the waiting ends, so that no request slips between
	d.trust.Waited(p)
}

// changedSince compares a provider in the last reading of the chain with its pin.
func (d *daemon) changedSince(p common.Address) (code string, s zg.Service) {
	s, ok := zg.ServiceOf(d.directory.Snapshot().Services, p)
	if !ok {
		return "", s
	}
	code, err := d.trust.Observe(s, time.Now())
	if err != nil {
		d.log.Error().Err(err).Str("provider", p.Hex()).Msg("a provider's signer is not remembered")
	}
	return code, s
}

// currentPin is what a provider is now.
func (d *daemon) currentPin(p common.Address) (zg.Pin, bool) {
	s, ok := d.service(p)
	if !ok || !s.TEESignerAcknowledged {
		return zg.Pin{}, false // nobody vouches for it now: a pin without a signer would let any later one pass
	}
	return zg.PinOf(s, time.Now()), true
}

// resumeVerdicts takes up the answers whose signature an earlier process has not checked. Providers keep signatures for a
// while only; what is older has none any more.
func (d *daemon) resumeVerdicts(ctx context.Context) error {
	if d.verify == nil {
		return nil
	}
	now := time.Now()
	left, err := d.store.PendingVerdicts(ctx, now.Add(-replayMemory))
	if err != nil {
		d.log.Warn().Err(err).Msg("answers without a verdict could not be read")
		return nil
	}
	var g errgroup.Group
	g.SetLimit(64)
	resumed := 0
	for _, r := range left {
		if !r.At.Before(d.started) {
			continue // of this process
		}
		svc, known := d.service(common.HexToAddress(r.Provider))
		switch {
		case now.Sub(r.At) > signaturesKept:
			d.meter.SetVerdict(r.ID, zg.Judgement{Verdict: zg.VerdictUnavailable, Code: attest.CodeExpired})
			continue
		case !known:
			d.meter.SetVerdict(r.ID, zg.Judgement{Verdict: zg.VerdictUnavailable, Code: attest.CodeFetchFailed})
			continue
		case r.VerdictCode == attest.CodeShutdown && len(r.ImagesSHA256) > 0:
			continue // whether the answer held more than its images is not known any more
		}
		x := d.exchangeWith(&svc)
		x.At = r.At
		x.Extras, x.Removed = r.VerdictCode == attest.CodeExtras, r.VerdictCode == attest.CodeUnsignedRemoved
		x.RequestID, x.Model, x.ResKey, x.Stream, x.Complete = r.ID, r.Model, r.SignatureID, r.Stream, r.Complete
		x.RequestSHA256, x.ResponseSHA256 = digestOf(r.RequestSHA256), digestOf(r.ResponseSHA256)
		for _, image := range r.ImagesSHA256 {
			x.Images = append(x.Images, digestOf(image))
		}
		resumed++
		g.Go(func() error { d.verify.Judge(ctx, x); return nil })
	}
	if resumed > 0 {
		d.log.Info().Int("answers", resumed).Msg("checking the signatures of answers that an earlier process has not checked")
	}
	return g.Wait()
}

// rememberSigned tells the check what was signed lately, so that it is noticed when it comes again.
func (d *daemon) rememberSigned(ctx context.Context) {
	signed, err := d.store.SignedSince(ctx, time.Now().Add(-replayMemory), replayPreload)
	if err != nil {
		d.log.Warn().Err(err).Msg("what was signed before could not be read; a replayed answer may go unnoticed")
		return
	}
	for _, s := range signed {
		d.verify.Remember(s.Signer, s.Text, s.RequestID)
	}
}

func digestOf(s string) (d [32]byte) {
	b, err := hex.DecodeString(s)
	if err == nil {
		copy(d[:], b)
	}
	return d
}

// receipt finds the receipt of an answer by the request's id, the answer's own, or the one of its signature.
func (d *daemon) receipt(ctx context.Context, id string) (zg.AnswerReceipt, bool, error) {
	r, ok, err := d.store.Receipt(ctx, id)
	if err == nil && !ok {
		r, ok, err = d.store.ReceiptOfChat(ctx, id)
	}
	r.Network, r.ChainID = d.cfg.Network, d.cfg.ChainID
	return r, ok, err
}
