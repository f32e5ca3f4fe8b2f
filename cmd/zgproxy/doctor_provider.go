package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/trust"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func providerChecks() []check {
	return []check{
		{
			id: "provider.registered", needs: []string{"network.services"}, run: checkRegistered,
			means: "The provider has a service on chain, and you allow it (WARN).",
			todo:  "Take another one (`zgproxy provider list --all`), or put it into `ZGPROXY_PROVIDERS`.",
		},
		{
			id: "provider.vouched", needs: []string{"provider.registered"}, run: checkVouched,
			means: "The contract's owner vouches for its signer; else it refuses every request.",
			todo:  "Wait, or take another provider: only the owner can fix it.",
		},
		{
			id: "provider.signer", needs: []string{"provider.vouched", "machine.store"}, run: checkSigner,
			means: "It is what it was when you began to use it: signer and URL are those remembered, and it is not suspended. WARN: it signs nothing, and you want signatures; or it is back with a signer that you accepted before, and the daemon takes it back automatically.",
			todo:  "Ask the provider why it has changed. If you trust it as it is: `zgproxy provider accept ADDRESS`.",
		},
		{
			id: "provider.account", needs: []string{"provider.registered", "wallet.balance"}, run: checkAccount,
			means: "The wallet has a sub-account with it.",
			todo:  "`zgproxy fund ADDRESS AMOUNT`; or set `ZGPROXY_AUTO_FUND`, and the daemon opens it.",
		},
		{
			id: "provider.acknowledged", needs: []string{"provider.account"}, run: checkAcknowledged,
			means: "The wallet consents to the provider; else it refuses every request.",
			todo:  "`zgproxy provider acknowledge ADDRESS`.",
		},
		{
			id: "provider.refund", needs: []string{"provider.account"}, run: checkRefund,
			means: "No money is on its way back from the sub-account; while it is, it is not topped up.",
			todo:  "Take it with `zgproxy retrieve ADDRESS` when it is free, or cancel the refund with `zgproxy fund ADDRESS AMOUNT`.",
		},
		{
			id: "provider.url", needs: []string{"provider.registered"}, run: checkURL,
			means: "Its URL on chain is one, and does not lead into a private network. WARN: it is not encrypted.",
			todo:  "Take another provider. On a network of your own: `ZGPROXY_ALLOW_PRIVATE_PROVIDERS=true`.",
		},
		{
			id: "provider.dns", needs: []string{"provider.url"}, run: checkDNS,
			means: "Its name can be looked up, and leads to public addresses.",
			todo:  "Try `getent hosts NAME`. If other names can be looked up, the provider is gone.",
		},
		{
			id: "provider.connect", needs: []string{"provider.dns"}, run: checkConnect,
			means: "A connection to it can be made.",
			todo:  "Look at firewall and proxy (`HTTPS_PROXY`). If other providers can be reached, this one is down.",
		},
		{
			id: "provider.tls", needs: []string{"provider.connect"}, run: checkTLS,
			means: "Its certificate is valid, for its name and for a week at least (WARN).",
			todo:  "Look at the clock and at the system's root certificates. Else only the provider can fix it.",
		},
		{
			id: "provider.clock", needs: []string{"provider.tls", "machine.clock"}, run: checkTheirClock,
			means: "Its clock agrees with ours, by the date of its answer: WARN from a minute, FAIL from an hour.",
			todo:  "If it is ours: `timedatectl set-ntp true`. Else only the provider can fix it.",
		},
		{
			id: "provider.catalogue", needs: []string{"provider.tls"}, run: checkCatalogue,
			means: "It lists its models, with the one that it has on chain (WARN). SKIP: it publishes no list, and the prices on chain hold.",
			todo:  "Try again. If it lasts, take another provider.",
		},
		{
			id: "provider.token", needs: []string{"wallet.key", "provider.account", "provider.tls"}, run: checkToken,
			means: "It accepts a session token of the wallet and says what it has not taken on chain yet. Asking is free. SKIP: `ZGPROXY_SIGNER` would have to sign the token; `--ask` has it do so.",
			todo:  "Look at the clock, and whether all tokens were revoked a moment ago. Else ask the provider.",
		},
		{
			id: "provider.claim", needs: []string{"provider.token", "machine.store"}, run: checkClaim,
			means: "It claims no more than the book has, within `ZGPROXY_DRIFT_TOLERANCE`; else top-ups to it pause.",
			todo:  "Look with `zgproxy account` and `zgproxy usage`. If you think it right: `zgproxy provider accept ADDRESS`.",
		},
		{
			id: "provider.balance", needs: []string{"provider.account"}, run: checkGate,
			means: "The sub-account has 1 0G beyond what is owed, below which the provider refuses. WARN: it is low, and the daemon that runs does not top it up; the reason says why, and what the last try failed with.",
			todo:  "`zgproxy fund ADDRESS AMOUNT` with the amount that is shown, or start the daemon; where it runs, what the reason says.",
		},
		{
			id: "provider.signature", needs: []string{"provider.tls", "provider.vouched", "machine.store"}, run: checkSignature,
			means: "The signature of the newest answer of the last 20 minutes can be fetched, and is the signer's. SKIP: there is no such answer.",
			todo:  "See `zgproxy receipts show ID`. Where somebody else has signed, do not use the provider.",
		},
	}
}

// patient is a provider that is examined.
type patient struct {
	address common.Address
	service zg.Service
	url     *url.URL
	answer  *probed
	claim   *zg.Neuron // what it says it has not taken yet; nil: not known
	ended   map[string]finding
}

func (p *patient) close() {
	if p.answer != nil {
		p.answer.transport.CloseIdleConnections()
	}
}

func checkRegistered(_ context.Context, d *doctor, p *patient) finding {
	s, ok := zg.ServiceOf(d.services, p.address)
	if !ok {
		return failed("zgproxy provider list --all", "Who is not registered serves nobody.", "it has no service on chain")
	}
	p.service = s
	if !slices.Contains(d.cfg.Providers, p.address) {
		return warned("Put it into ZGPROXY_PROVIDERS.", "It gets no requests and no top-ups.", "%s (%s), not in ZGPROXY_PROVIDERS", s.Model, s.Type)
	}
	return passed("%s (%s)", s.Model, s.Type)
}

func checkVouched(_ context.Context, _ *doctor, p *patient) finding {
	if !p.service.TEESignerAcknowledged {
		return failed("Wait, or take another one: zgproxy provider list --all", "Until the contract's owner does, the provider refuses every request.", "nobody vouches for its signer %s", p.service.TEESigner)
	}
	return passed("the contract's owner vouches for its signer")
}

func checkSigner(_ context.Context, d *doctor, p *patient) finding {
	accept := "zgproxy provider accept " + p.address.Hex()
	signer, signs := p.service.Signer()
	pin, known := d.pins[p.address]
	code := ""
	if known {
		code = pin.Against(p.service)
	}
	why, suspended := d.suspended[p.address]
	if suspended && why.Code == zg.SuspendedStranger && trust.NamesSigner(p.service, why.Signer) {
		why, suspended = zg.Suspension{}, false // the chain names who signed: an upgrade, of which the daemon takes note automatically
	}
	switch {
	case trust.KnownAgain(p.service, code, pin, why, d.accepted[p.address]):
		return warned("Start the daemon, or wait for its next look at the chain.",
			"The daemon takes it back automatically: you have accepted this signer before.", "it signs with a key that you know, %s", signer)
	case suspended:
		return failed(accept, why.Reason, "it is suspended")
	case code != "":
		return failed(accept, trust.ChangeReason(code, pin, p.service), "it has changed since you began to use it")
	}
	switch {
	case !signs && d.cfg.Verify == config.Enforce:
		return warned("Take another one, or set ZGPROXY_VERIFY=observe.", "With ZGPROXY_VERIFY=enforce it gets no requests.", "it signs nothing")
	case !signs:
		return passed("it signs nothing")
	case !known:
		return passed("%s, remembered from the first use on", signer)
	}
	return passed("%s, as remembered", signer)
}

func checkAccount(_ context.Context, d *doctor, p *patient) finding {
	account, ok := d.holdings.Accounts[p.address]
	if !ok {
		amount := d.cfg.HighWater.For(p.address).Max(d.holdings.MinAccount)
		return failed("zgproxy fund "+p.address.Hex()+" "+amount.Og(), "It serves only who has set money aside for it.", "there is no sub-account with it")
	}
	return passed("%s 0G", short(account.Balance))
}

func checkAcknowledged(_ context.Context, d *doctor, p *patient) finding {
	if !d.holdings.Accounts[p.address].Acknowledged {
		return failed("zgproxy provider acknowledge "+p.address.Hex(), "It refuses every request until then.", "the wallet has taken its consent back, or never given it")
	}
	return passed("the wallet consents to it")
}

func checkRefund(_ context.Context, d *doctor, p *patient) finding {
	h := d.holdings
	account := h.Accounts[p.address]
	if account.PendingRefund.IsZero() {
		return passed("nothing is on its way back")
	}
	var free time.Time
	for _, r := range account.Refunds {
		if at := r.CreatedAt.Add(h.LockTime); at.After(free) {
			free = at
		}
	}
	when := "now"
	if wait := free.Sub(h.BlockTime); wait > 0 {
		when = "in " + inWords(wait)
	}
	return warned("zgproxy retrieve "+p.address.Hex(), "It is not topped up meanwhile.", "%s 0G are on their way back, all of it free %s", short(account.PendingRefund), when)
}

func checkTheirClock(_ context.Context, _ *doctor, p *patient) finding {
	if p.answer.date.IsZero() {
		return skipped("it does not say what time it is")
	}
	return judgeSkew(p.answer.at.Sub(p.answer.date), "the provider's", "timedatectl set-ntp true, if this clock is the wrong one")
}

func checkCatalogue(ctx context.Context, d *doctor, p *patient) finding {
	c, err := d.peers.Catalog(ctx, p.address, p.service.URL)
	switch {
	case errors.Is(err, provider.ErrNotSupported):
		return skipped("it publishes no list of models; the prices on chain hold")
	case err != nil:
		return failed("Try again; if it lasts, take another one: zgproxy provider list --all", lastWords(err), "it does not say which models it has")
	case len(c.Models) == 0:
		return warned("Try again; if it lasts, take another one.", "The prices on chain hold.", "its list of models is empty")
	}
	var names []string
	found := false
	for _, m := range c.Models {
		names = append(names, m.ID)
		found = found || strings.EqualFold(m.ID, p.service.Model) || strings.EqualFold(m.CanonicalID, p.service.Model)
	}
	text := plural(len(names), "model") + ": " + strings.Join(names[:min(5, len(names))], ", ")
	if !found && !p.service.Info.MultiModel {
		return warned("Call it by a name that it lists.", "Requests for the model on chain may be refused.", "it does not list %s; it has %s", p.service.Model, text)
	}
	return passed("%s", text)
}

func checkToken(ctx context.Context, d *doctor, p *patient) finding {
	if d.signsElsewhere() && !d.ask {
		return unknown("provider.token", "zgproxy doctor --ask", "ZGPROXY_SIGNER signs, and may have to ask somebody")
	}
	bearer, err := d.bearer(ctx, p.address)
	if err != nil {
		return failed("Look whether the signer, or the endpoint, answers.", err.Error(), "no session token can be made")
	}
	claim, err := d.peers.UnsettledFee(ctx, p.service.URL, d.address, bearer)
	var refused *provider.RefusedError
	switch {
	case errors.Is(err, provider.ErrNotSupported):
		return unknown("provider.token", "", "it does not say what it is owed, so there is no free way to try a token")
	case errors.As(err, &refused):
		fix := "Ask the provider."
		switch refused.Detail.Class { //nolint:exhaustive // all others are the provider's to explain
		case zg.RefusalSessionExpired:
			fix = "Look at the clock: timedatectl"
		case zg.RefusalSessionRevoked, zg.RefusalSessionFuture:
			fix = "Try again in ten minutes: it has not seen yet that tokens were revoked."
		}
		return failed(fix, refused.Error(), "it refuses the wallet's session token")
	case err != nil:
		return failed("Try again; if it lasts, take another one.", lastWords(err), "it does not say what it is owed")
	}
	p.claim = &claim
	return passed("accepted; it has %s 0G still to take", short(claim))
}

// signsElsewhere reports whether the key is not here, so that every signature is somebody else's to give.
func (d *doctor) signsElsewhere() bool { return d.cfg.Signer.Reveal() != "" }

// bearer makes a session token. Whoever signs may take their time, whatever becomes of ctx.
func (d *doctor) bearer(ctx context.Context, p common.Address) (string, error) {
	type result struct {
		bearer string
		err    error
	}
	made := make(chan result, 1)
	go func() {
		bearer, err := wallet.NewSessions(d.wallet, wallet.SessionsConfig{Generation: d.own.Generation, Now: d.now}).Bearer(ctx, p)
		made <- result{bearer, err}
	}()
	select {
	case r := <-made:
		return r.bearer, r.err
	case <-ctx.Done():
		return "", fmt.Errorf("the signer has not signed: %w", context.Cause(ctx))
	}
}

func checkClaim(_ context.Context, d *doctor, p *patient) finding {
	if d.account != nil {
		sub := d.account.sub(p.address)
		if sub.Drift != nil && sub.Drift.Neuron.IsZero() && sub.Watched != nil && !sub.Watched.Neuron.IsZero() {
			return passed("%s 0G beyond what the book has, as while a settlement is under way; it is watched, and stops no top-up yet", short(sub.Watched.Neuron))
		}
		if sub.Drift != nil {
			return d.judgeDrift(p, sub.Drift.Neuron)
		}
	}
	owed, known := d.owed[p.address]
	switch {
	case p.claim.IsZero():
		return passed("it claims nothing")
	case !known:
		return skipped("it claims %s 0G, and the book has nothing yet to compare that with", short(*p.claim))
	}
	return d.judgeDrift(p, p.claim.Sub(owed))
}

func (d *doctor) judgeDrift(p *patient, drift zg.Neuron) finding {
	switch {
	case d.cfg.DriftTolerance.Less(drift):
		return warned("zgproxy provider accept "+p.address.Hex(), "Top-ups to it pause: it was paid by another program too, or it bills too much.",
			"it has taken or claims %s 0G beyond what the book has", short(drift))
	case !drift.IsZero():
		return passed("%s 0G beyond what the book has, which you tolerate", short(drift))
	}
	return passed("no more than the book has")
}

func checkGate(_ context.Context, d *doctor, p *patient) finding {
	account := d.holdings.Accounts[p.address]
	owed := d.owed[p.address]
	if p.claim != nil {
		owed = *p.claim // it is the provider that decides
	}
	left, locked := account.Locked().Sub(owed), account.Locked()
	var sub subReport // of the daemon: what keeps it from being topped up
	if d.account != nil {
		sub = d.account.sub(p.address)
	}
	if locked.Less(owed.Add(zg.OneOG)) {
		high := d.cfg.HighWater.For(p.address).Max(zg.OneOG)
		reason := "Below 1 0G beyond what it is owed it refuses every request."
		if sub.Funding != "" {
			reason += " The daemon does not top it up (" + sub.Funding + "): " + sub.Note
		}
		return failed("zgproxy fund "+p.address.Hex()+" "+high.Sub(left).Og(), reason, "%s 0G, of which %s are owed", short(locked), short(owed))
	}
	if sub.Funding != "" {
		return warned("Do what the reason says; zgproxy account shows what has come of it.", sub.Note,
			"%s 0G beyond what is owed; low, and the daemon does not top it up (%s)", short(left), sub.Funding)
	}
	if left.Less(d.cfg.LowWater.For(p.address)) {
		return passed("%s 0G beyond what is owed; low, a top-up by the daemon is due", short(left))
	}
	return passed("%s 0G beyond what is owed", short(left))
}

func checkSignature(ctx context.Context, d *doctor, p *patient) finding {
	signer, signs := p.service.Signer()
	if pin, ok := d.pins[p.address]; ok && pin.Signer != (common.Address{}) {
		signer = pin.Signer
	}
	switch {
	case !signs:
		return skipped("it signs nothing")
	case d.store == nil:
		return skipped("it has given no answer yet")
	}
	var r zg.AnswerReceipt
	for found, err := range d.store.Receipts(ctx, d.now().Add(-signaturesKept), time.Time{}, billing.ReceiptFilter{Provider: p.address, NewestFirst: true}) {
		if err != nil {
			return failed(restoreFix, err.Error(), "the receipts cannot be read")
		}
		if found.SignatureID != "" {
			r = found
			break
		}
	}
	if r.ID == "" {
		return skipped("it has given no signed answer in the last %s", inWords(signaturesKept))
	}
	show := "zgproxy receipts show " + r.ID
	sig, err := d.peers.Signature(ctx, p.service.URL, r.SignatureID, r.Model)
	switch {
	case errors.Is(err, provider.ErrNoSignature):
		return warned(show, "It may have been restarted since, or keeps signatures for a shorter time.", "it has no signature for the answer to %s any more", r.ID)
	case err != nil:
		return failed(show, lastWords(err), "the signature of the answer to %s cannot be fetched", r.ID)
	}
	by, err := attest.Recover(sig.Text, sig.Signature)
	switch {
	case err != nil:
		return failed(show, err.Error(), "what it gives for the answer to %s is no signature", r.ID)
	case by != signer:
		return failed(show, fmt.Sprintf("It was to be signed by %s.", signer), "the answer to %s was signed by %s", r.ID, by)
	}
	return passed("the answer to %s was signed by %s", r.ID, by)
}
