package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Observe pins what is seen for the first time, and reports the code of what has changed since, or "".
func (t *Register) Observe(s zg.Service, now time.Time) (code string, err error) {
	pin, known := t.Pin(s.Provider)
	if known {
		if code = pin.Against(s); code != "" || pin.Settler != (common.Address{}) {
			return code, nil
		}
	}
	if !s.TEESignerAcknowledged || s.TEESigner == (common.Address{}) {
		return zg.SuspendedUnacked, nil // nobody vouches for it yet, so there is nothing to remember
	}
	pin = zg.PinOf(s, now)
	if _, err := t.store.Pin(pin); err != nil {
		return "", fmt.Errorf("remember a provider: %w", err)
	}
	t.mu.Lock()
	t.pins[s.Provider] = pin
	t.accepted[s.Provider] = append(t.accepted[s.Provider], pin)
	t.mu.Unlock()
	if !known {
		t.log.Info().Str("provider", s.Provider.Hex()).Str("signer", pin.Signer.Hex()).Str("source", pin.Source).Msg("this provider's signer is remembered from now on")
	}
	return "", nil
}

// Trusted is Observe now: what the keeper asks about the reading that it decides from.
func (t *Register) Trusted(s zg.Service) (code string, err error) { return t.Observe(s, time.Now()) }

// ComesBack reports whether a provider is what its owner accepted once, or what it is pinned as, and only a change of signer
// stands against it: it was upgraded, and then started again as it was.
func (t *Register) ComesBack(s zg.Service, code string) bool {
	if !s.TEESignerAcknowledged || s.TEESigner == (common.Address{}) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	why := t.suspended[s.Provider]
	return KnownAgain(s, code, t.pins[s.Provider], why, t.accepted[s.Provider])
}

// KnownAgain decides that for whoever has read pin, suspension and accepted signers; code is what has changed since the pin.
func KnownAgain(s zg.Service, code string, pin zg.Pin, why zg.Suspension, accepted []zg.Pin) bool {
	if !pin.MayReturn(s.URL, why) {
		return false
	}
	switch code {
	case "":
		return why.Provider != (common.Address{}) // else it was never away
	case zg.SuspendedSigner:
		return slices.ContainsFunc(accepted, zg.PinOf(s, time.Time{}).SameSigners)
	}
	return false
}

// TakeBack ends the suspension of a provider that comesBack, and expects its signature from now on. Where the store says that
// it does not come back, nothing changes.
func (t *Register) TakeBack(s zg.Service, now time.Time) error {
	t.saving.Lock() // no suspension is on its way to the store
	defer t.saving.Unlock()
	pin := zg.PinOf(s, now)
	t.mu.Lock()
	unsaved := t.outstanding(s.Provider)
	t.mu.Unlock()
	if unsaved {
		return nil // it is saved first; the next reading comes soon
	}
	back, err := t.store.Return(pin)
	if err != nil || !back {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pins[s.Provider] = pin
	if t.suspended[s.Provider].Code == zg.SuspendedSigner { // and not for something that an answer has shown since
		delete(t.suspended, s.Provider)
	}
	delete(t.waiting, s.Provider)
	t.of(s.Provider).over = time.Now()
	t.log.Warn().Str("provider", s.Provider.Hex()).Str("signer", pin.Signer.Hex()).
		Msg("the provider signs with a key that was accepted before; it is used again")
	return nil
}

// outstanding reports whether a suspension is in force and not in the store yet. mu is held.
func (t *Register) outstanding(p common.Address) bool {
	return slices.ContainsFunc(t.unsaved, func(s zg.Suspension) bool { return s.Provider == p })
}

// Explained ends the suspension for an answer that a stranger signed, where the chain names the stranger by now. What follows
// from the new signer is for whoever calls this to see to: nothing has been shown to be accepted by it.
func (t *Register) Explained(s zg.Service) error {
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	why, is := t.suspended[s.Provider]
	unsaved := t.outstanding(s.Provider)
	t.mu.Unlock()
	if !is || unsaved || why.Code != zg.SuspendedStranger || !NamesSigner(s, why.Signer) {
		return nil
	}
	done, err := t.store.Explain(s.Provider, why.Signer)
	if err != nil || !done {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.suspended[s.Provider].Code == zg.SuspendedStranger {
		delete(t.suspended, s.Provider)
	}
	t.log.Warn().Str("provider", s.Provider.Hex()).Str("signer", why.Signer.Hex()).Str("request_id", why.RequestID).
		Msg("the chain names the signer of the answer whose signature did not match: the provider was being upgraded")
	return nil
}

// signerChanges are the signers that the chain has named for a provider, and when a change of them was over last.
type signerChanges struct {
	named []common.Address // the latest, and no more than a few
	over  time.Time
}

// maxNamed bounds how many signers of a provider are remembered as named.
const maxNamed = 8

// Saw takes note of whom the chain names for a provider, vouched for or not.
func (t *Register) Saw(s zg.Service) {
	if s.Provider == (common.Address{}) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of(s.Provider)
	for _, signer := range []common.Address{s.TEESigner, s.Info.TargetTEEAddress} {
		if signer == (common.Address{}) || slices.Contains(c.named, signer) {
			continue
		}
		if c.named = append(c.named, signer); len(c.named) > maxNamed {
			c.named = c.named[1:]
		}
	}
}

// of are the changes of a provider. mu is held.
func (t *Register) of(p common.Address) *signerChanges {
	c := t.changes[p]
	if c == nil {
		c = &signerChanges{}
		t.changes[p] = c
	}
	return c
}

// Straggles reports whether an answer is one from before a change of signer was over, by a signer that the chain has named, or
// that was accepted: its verdict came late, and shows nothing of the provider as it is now.
func (t *Register) Straggles(p, signer common.Address, given time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of(p)
	return given.Before(c.over) && (slices.Contains(c.named, signer) || slices.ContainsFunc(t.accepted[p], func(pin zg.Pin) bool {
		return pin.Signer == signer
	}))
}

// NamesSigner reports whether the chain names a signer for a service, vouched for or not.
func NamesSigner(s zg.Service, signer common.Address) bool {
	return signer != (common.Address{}) && (s.TEESigner == signer || s.Info.Separated() && s.Info.TargetTEEAddress == signer)
}

// Wait keeps requests from a provider for as long as nobody vouches for its signer. That is no suspension: an upgrade takes
// the acknowledgement away for a while, and nothing is shown by it. Top-ups stop because of what the chain says.
func (t *Register) Wait(s zg.Suspension) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, already := t.waiting[s.Provider]; already {
		return
	}
	t.waiting[s.Provider] = s
	t.log.Warn().Str("provider", s.Provider.Hex()).Str("code", s.Code).Msg("provider waits: " + s.Reason)
}

// Waits tells why a provider waits, and since when.
func (t *Register) Waits(p common.Address) (zg.Suspension, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.waiting[p]
	return s, ok
}

// Waited ends the waiting: the chain vouches for its signer again, whoever that is.
func (t *Register) Waited(p common.Address) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.waiting[p]; ok {
		delete(t.waiting, p)
		t.of(p).over = time.Now()
		t.log.Info().Str("provider", p.Hex()).Msg("the provider's signer is vouched for again")
	}
}

// ChangeReason says, for the owner, what has changed about a provider since it was pinned.
func ChangeReason(code string, pin zg.Pin, s zg.Service) string {
	switch code {
	case zg.SuspendedSigner:
		now, signs := s.Signer()
		if signs && now == pin.Signer || pin.Signer == (common.Address{}) {
			return fmt.Sprintf("The signer that it settles with is %s now; it was %s.", s.TEESigner.Hex(), pin.Settler.Hex())
		}
		if !signs {
			return fmt.Sprintf("Its answers were signed by %s, and now it says that it signs none.", pin.Signer.Hex())
		}
		return fmt.Sprintf("Its signer on chain is %s now; it was %s.", now.Hex(), pin.Signer.Hex())
	case zg.SuspendedURL:
		return fmt.Sprintf("Its address on chain is %.200q now; it was %.200q.", s.URL, pin.URL)
	}
	if pin.Provider == (common.Address{}) {
		return "The chain has not acknowledged its signer yet: the owner of the contract has to vouch for it first. " +
			"It waits for that, and is used as soon as that happens."
	}
	return "The chain has not acknowledged its signer yet: the owner of the contract no longer vouches for it, as happens for a " +
		"while when a provider is upgraded. It waits for that, and comes back automatically if it is a signer that you know."
}
