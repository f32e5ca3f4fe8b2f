package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func walletChecks() []check {
	return []check{
		{
			id: "wallet.key", run: checkKey,
			means: "The wallet's key is configured and can be used. SKIP: it is in a keystore without a password, or only the daemon has it.",
			todo:  "Set `ZGPROXY_PRIVATE_KEY=@FILE`, or `ZGPROXY_KEYSTORE` and `ZGPROXY_KEYSTORE_PASSWORD=@FILE`, or `ZGPROXY_SIGNER`; with `--ask` the password is asked for.",
		},
		{
			id: "wallet.balance", needs: []string{"network.pair"}, run: checkBalance,
			means: "The wallet has at least `ZGPROXY_WALLET_FLOOR` (WARN), or anything at all (FAIL), to pay for gas.",
			todo:  "Send 0G to the address that is shown.",
		},
		{
			id: "wallet.endpoints", needs: []string{"wallet.balance"}, several: true, run: checkAgreement,
			means: "Only where `ZGPROXY_RPC_URL` has several: they say the same about the wallet's money. WARN: one is outvoted by the others, and not believed.",
			todo:  "Take the one that is named out of `ZGPROXY_RPC_URL`, or put another one in its place.",
		},
		{
			id: "wallet.ledger", needs: []string{"wallet.balance"}, run: checkLedger,
			means: "The wallet has a ledger in the network's contract, from which providers are paid.",
			todo:  "`zgproxy deposit AMOUNT`; or set `ZGPROXY_AUTO_FUND`, and the daemon opens it.",
		},
		{
			id: "wallet.available", needs: []string{"wallet.ledger"}, run: checkAvailable,
			means: "What is available in the ledger is enough for the top-ups that the allowed providers need now.",
			todo:  "`zgproxy deposit AMOUNT` with the amount that is shown, or lower `ZGPROXY_HIGH_WATER`.",
		},
		{
			id: "wallet.unfinished", needs: []string{"machine.store"}, run: checkUnfinished,
			means: "No transaction of the wallet waits to be mined, or the daemon is at it and it is younger than five minutes.",
			todo:  "`zgproxy serve`, or any command that moves money, sees it through; `zgproxy account` shows it.",
		},
		{
			id: "wallet.nonce", needs: []string{"network.chain_id", "machine.store"}, run: checkNonce,
			means: "The chain has used the nonces that the journal has, and no others: nobody else sends from this wallet.",
			todo:  "`zgproxy wallet accept` shows them, and accepts them if they are yours. Give another program a wallet of its own.",
		},
		{
			id: "wallet.budgets", needs: []string{"machine.store"}, run: checkBudgets,
			means: "No limit of yours is used up. FAIL: one for the fees of all requests is, so none is served.",
			todo:  "Wait until the 24 hours are over, or raise the limit that is named.",
		},
	}
}

func checkKey(ctx context.Context, d *doctor, _ *patient) finding {
	if !d.cfg.HasKey() {
		if d.account != nil {
			d.address = d.account.Wallet.Address
			return unknown("wallet.key", "", "only the daemon has the key, of %s", d.address)
		}
		if broken := d.brokenKey(); broken {
			return because("machine.configuration", checkFail)
		}
		return failed("Set ZGPROXY_PRIVATE_KEY=@FILE, or ZGPROXY_KEYSTORE and ZGPROXY_KEYSTORE_PASSWORD=@FILE, or ZGPROXY_SIGNER.", "Without a wallet nothing is paid, and zgproxy serve does not start.", "no wallet is configured")
	}
	if d.asked != nil {
		return d.opened(d.asked())
	}
	if d.lacksPassword() {
		var err error
		if d.address, err = wallet.Address(d.cfg.Keystore); err != nil {
			return unknown("wallet.key", "zgproxy doctor --ask", "the keystore %s has no password here, and does not say whose it is", d.cfg.Keystore)
		}
		return unknown("wallet.key", "zgproxy doctor --ask", "the keystore of %s has no password here", d.address)
	}
	return d.opened(openWallet(ctx, d.cfg)) // which has nothing to ask
}

// brokenKey reports whether a key is configured and could not be read.
func (d *doctor) brokenKey() bool {
	ps, _ := errors.AsType[config.ProblemsError](d.cfgErr)
	for _, p := range ps {
		switch strings.TrimPrefix(p.Variable, config.Prefix) {
		case "PRIVATE_KEY", "KEYSTORE", "KEYSTORE_PASSWORD", "SIGNER", "SIGNER_ADDRESS":
			return true
		}
	}
	return false
}

// lacksPassword reports whether the key is in a keystore that cannot be opened without asking.
func (d *doctor) lacksPassword() bool {
	return d.cfg.Keystore != "" && !d.cfg.PrivateKey.IsSet() && !d.cfg.KeystorePassword.IsSet()
}

// askForPassword has the keystore opened, before any time is counted, where that is wanted and needs a password.
func (d *doctor) askForPassword(ctx context.Context) error {
	if !d.ask || !d.lacksPassword() {
		return nil
	}
	w, err := openWallet(ctx, d.cfg)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.asked = func() (*wallet.Wallet, error) { return w, err }
	return nil
}

func (d *doctor) opened(w *wallet.Wallet, err error) finding {
	if err != nil {
		d.address = d.cfg.SignerAddress.Address // whose wallet it is, is known all the same
		return failed("Check ZGPROXY_PRIVATE_KEY, or ZGPROXY_KEYSTORE and ZGPROXY_KEYSTORE_PASSWORD, or ZGPROXY_SIGNER.", err.Error(), "the key cannot be used")
	}
	if d.account != nil && d.account.Wallet.Address != w.Address() {
		return failed("Run this with the daemon's settings, or give it a ZGPROXY_DATA_DIR of its own.", fmt.Sprintf("The daemon that uses the data directory has %s.", d.account.Wallet), "the key is that of %s", w.Address())
	}
	d.wallet, d.address = w, w.Address()
	return passed("%s", d.address)
}

func checkBalance(ctx context.Context, d *doctor, _ *patient) finding {
	if d.address == (common.Address{}) {
		return d.becauseOf("wallet.key")
	}
	client, err := d.client(d.address) //nolint:contextcheck // makes no connection
	if err != nil {
		return failed("", err.Error(), "the wallet cannot be asked about")
	}
	d.own = client
	h, err := d.own.Holdings(ctx)
	if err != nil {
		return failed(hintRPC, err.Error(), "what the wallet has cannot be read")
	}
	d.holdings = &h
	const reason = "Every deposit and every top-up pays for gas from it."
	fix := "Send 0G to " + d.address.Hex() + "."
	switch floor := d.cfg.WalletFloor.Neuron; {
	case h.Wallet.IsZero():
		return failed(fix, reason, "the wallet %s has nothing", d.address)
	case h.Wallet.Less(floor):
		return warned(fix, reason, "%s 0G, and ZGPROXY_WALLET_FLOOR is %s", short(h.Wallet), short(floor))
	}
	if w := changedWarning(d.own.Changed()); w != "" {
		return warned("Look for a newer zgproxy.", w, "%s 0G, and contracts that this zgproxy does not know", short(h.Wallet))
	}
	return passed("%s 0G", short(h.Wallet))
}

// becauseOf is for what cannot be checked because of how another check has ended.
func (d *doctor) becauseOf(id string) finding {
	f := d.ended[id]
	if f.cause != "" {
		return because(f.cause, d.statusOf(f.cause, nil))
	}
	return because(id, f.status)
}

func checkLedger(_ context.Context, d *doctor, _ *patient) finding {
	h := d.holdings
	if h.Ledger == nil {
		least := d.missing().Max(h.MinLedger)
		return failed("zgproxy deposit "+least.Og(), "Providers are paid from the ledger; the first deposit, of at least "+short(h.MinLedger)+" 0G, opens it.", "there is no ledger yet")
	}
	return passed("%s 0G, of which %s are available", short(h.Ledger.Total), short(h.Ledger.Available))
}

// missing is what the allowed providers' sub-accounts lack until all of them are filled up again.
func (d *doctor) missing() (sum zg.Neuron) {
	for _, p := range d.cfg.Providers {
		account, exists := d.holdings.Accounts[p]
		if _, listed := zg.ServiceOf(d.services, p); !listed || !account.PendingRefund.IsZero() {
			continue // never topped up
		}
		left := account.Locked().Sub(d.owed[p])
		switch high := d.cfg.HighWater.For(p); {
		case !exists:
			sum = sum.Add(high.Max(d.holdings.MinAccount))
		case left.Less(d.cfg.LowWater.For(p)):
			sum = sum.Add(high.Sub(left))
		}
	}
	return sum
}

func checkAvailable(_ context.Context, d *doctor, _ *patient) finding {
	need, has := d.missing(), d.holdings.Ledger.Available
	switch {
	case need.IsZero():
		return passed("%s 0G are available, and nobody needs a top-up", short(has))
	case d.cfg.AutoFund.Less(need.Sub(has)): // else the daemon deposits it
		return warned("zgproxy deposit "+need.Sub(has).Og(), "When a sub-account has run out, its provider serves no more.", "%s 0G are available, and top-ups need %s", short(has), short(need))
	}
	return passed("%s 0G are available, top-ups need %s", short(has), short(need))
}

// longUnfinished is how long a transaction may take before that is worth a word.
const longUnfinished = 5 * time.Minute

func checkUnfinished(ctx context.Context, d *doctor, _ *patient) finding {
	if d.address == (common.Address{}) {
		return d.becauseOf("wallet.key")
	}
	if d.store == nil {
		return passed("none")
	}
	e, under, err := d.store.Unfinished(ctx, walletName(d.cfg, d.address))
	if err != nil {
		return failed(restoreFix, err.Error(), "the journal cannot be read")
	}
	if !under {
		return passed("none")
	}
	tx := transactionOf(e)
	age := d.now().Sub(e.CreatedAt)
	text := fmt.Sprintf("%s, nonce %d, signed %s ago", transactionInWords(&tx), e.Nonce, inWords(age))
	switch {
	case d.daemon == nil:
		return warned("zgproxy serve", "No daemon sees it through, and no other transaction is made before it.", "%s", text)
	case age > longUnfinished:
		reason := "No other transaction is made before it."
		if d.account != nil && d.account.Unfinished != nil && d.account.Unfinished.Trouble != "" {
			reason += " What keeps it: " + d.account.Unfinished.Trouble
		}
		return warned("Look at network.gas above, and at zgproxy account.", reason, "%s", text)
	}
	return passed("the daemon is at it: %s", text)
}

func checkNonce(ctx context.Context, d *doctor, _ *patient) finding {
	if d.address == (common.Address{}) {
		return d.becauseOf("wallet.key")
	}
	client, err := d.client(d.address) //nolint:contextcheck // makes no connection
	if err != nil {
		return failed("", err.Error(), "the wallet cannot be asked about")
	}
	// The daemon may sign and finish one at any moment: what the journal had before must be used, and what is used must be in
	// what it has after.
	before, err := d.signed(ctx)
	if err != nil {
		return failed(restoreFix, err.Error(), "the journal cannot be read")
	}
	next, pending, err := client.Nonces(ctx)
	if err != nil {
		return failed(hintRPC, err.Error(), "the wallet's nonce cannot be read")
	}
	after, err := d.signed(ctx)
	if err != nil {
		return failed(restoreFix, err.Error(), "the journal cannot be read")
	}
	return judgeNonce(next, pending, before, after)
}

// signed is what the journal says about the wallet's nonces.
type signed struct {
	any     bool
	highest uint64
	under   bool            // one waits to be mined
	foreign billing.Foreign // made elsewhere, and not accepted
	unknown billing.Unknown // because the store was restored from a copy
	agreed  uint64          // nonces below it are accounted for: ours, from before, or on record as foreign
}

func (d *doctor) signed(ctx context.Context) (s signed, err error) {
	if d.store == nil {
		return s, nil
	}
	name := walletName(d.cfg, d.address)
	// In this order: one that is signed in between is taken for the one that waits, and never for one that has ended.
	if s.highest, s.any, err = d.store.HighestNonce(ctx, name); err == nil {
		_, s.under, err = d.store.Unfinished(ctx, name)
	}
	if err == nil {
		s.foreign, err = d.store.Foreign(ctx, name)
	}
	if err == nil {
		s.unknown, err = d.store.Unknown(ctx, name)
	}
	if err == nil {
		s.agreed, err = d.store.NoncesAgreed(ctx, name)
	}
	return s, err
}

// judgeNonce compares the chain's nonces with the journal's: next is the lowest that is not used, and pending the lowest that
// no waiting transaction has either. The journal was read before and after that.
func judgeNonce(next, pending uint64, before, after signed) finding {
	const fix = "Find out who else sends from this wallet, and give that program a wallet of its own."
	const reason = "Two programs that send from one wallet take each other's nonces."
	ours := after.highest + 1
	if !after.any {
		if ours = after.agreed; ours == 0 {
			ours = next // nothing was compared yet
		}
	}
	ours = max(ours, after.agreed)
	switch {
	case after.foreign.Count() > 0:
		return warned("Look at them, and accept them if they are yours: zgproxy wallet accept.", foreignWarning(after.foreign),
			"%s of this wallet were not made here, and top-ups are paused", plural(int(min(after.foreign.Count(), 1<<30)), "transaction"))
	case after.unknown.Money:
		return warned("Let the daemon look for ten minutes, or stop it and accept what is missing: zgproxy restore --accept.", after.unknown.String(),
			"the spend store was restored from a copy, and transactions may be missing in it")
	case before.any && next <= before.highest && !before.under:
		return warned("Use another ZGPROXY_RPC_URL if it lasts.", "The endpoint is behind, or the chain has forgotten a transaction: the daemon waits, or makes it again.",
			"the chain says that nonce %d is not used, and the journal has up to %d", next, before.highest)
	case next > ours:
		return warned(fix, reason, "%s of this wallet from nonce %d on are not in the journal", plural(int(min(next-ours, 1<<30)), "transaction"), ours)
	case pending > ours:
		return warned("Wait until they are mined. "+fix, reason+" Nothing is topped up while they wait, since it would take the place of one.",
			"%s of this wallet, from nonce %d on, wait to be mined and are not in the journal", plural(int(min(pending-ours, 1<<30)), "transaction"), ours)
	}
	if !after.any {
		return passed("the next nonce is %d, and the journal is empty", next)
	}
	return passed("the next nonce is %d, as the journal has it", ours)
}

func checkBudgets(ctx context.Context, d *doctor, _ *patient) finding {
	if d.store == nil {
		return passed("nothing was ever spent")
	}
	unknown, err := d.store.Unknown(ctx, "") // of fees, which does not depend on the wallet
	var all []limitReport
	if err == nil {
		all, err = limits(ctx, d.store, d.cfg, unknown, d.now())
	}
	if err != nil {
		return failed(restoreFix, err.Error(), "what was spent cannot be read")
	}
	var used []string
	stops := false
	for _, l := range all {
		if !l.Left.Neuron.IsZero() {
			continue
		}
		text := fmt.Sprintf("%s of %s 0G", l.Name, short(l.Limit.Neuron))
		if l.For != "" {
			text += ", " + l.For
		}
		if l.Provider != nil {
			text += ", " + l.Provider.Hex()
		}
		used = append(used, text)
		stops = stops || strings.HasPrefix(l.Name, "ZGPROXY_BUDGET_FEES_")
	}
	const fix = "Wait until the 24 hours are over, or raise the limit."
	switch {
	case stops:
		return failed(fix, "No request is served: "+strings.Join(used, "; "), "%s used up", plural(len(used), "limit"))
	case len(used) > 0:
		return warned(fix, strings.Join(used, "; "), "%s used up", plural(len(used), "limit"))
	}
	return passed("%s, none used up", plural(len(all), "limit"))
}
