package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// noteUnread says in a report what of it could not be read, and what of the contracts is not as it is known.
func (r *accountReport) noteUnread(b balances) {
	r.Unread, r.Changed = map[string]string{}, b.changed
	for part, why := range b.holdings.Unread {
		r.Unread[string(part)] = why
	}
	if b.noServices != nil {
		r.Unread[string(zg.PartServices)] = b.noServices.Error()
	}
	if b.unconfirmed != nil {
		r.Unread[string(zg.PartContracts)] = b.unconfirmed.Error()
	}
	for _, part := range slices.Sorted(maps.Keys(r.Unread)) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("The %s cannot be read, and what is not known of it is left out here: %s", part, r.Unread[part]))
	}
	if w := changedWarning(r.Changed); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
}

// knows reports whether a part was read.
func (r *accountReport) knows(part zg.Part) bool {
	_, unread := r.Unread[string(part)]
	return !unread
}

// takes says why what takes these parts cannot be done; nil: it can.
func (r *accountReport) takes(parts ...zg.Part) error {
	all := make(map[zg.Part]string, len(r.Unread))
	for part, why := range r.Unread {
		all[zg.Part(part)] = why
	}
	return unread(all, parts...)
}

func unread(all map[zg.Part]string, parts ...zg.Part) error {
	for _, part := range parts {
		if why, missing := all[part]; missing {
			return problem(codeUnread, hintUnread, "this takes the %s, which cannot be read: %s", part, why)
		}
	}
	return nil
}

const hintUnread = "Nothing was moved. Try again; if it lasts, look with zgproxy doctor, or for a newer zgproxy."

// paysIn says why money is not paid into contracts that are not the known ones, unless it is forced; and never into
// ones that may not belong together.
func (r *accountReport) paysIn(force bool) error {
	if err := r.takes(zg.PartContracts); err != nil {
		return err
	}
	if w := changedWarning(r.Changed); w != "" && !force {
		return problem(codeChanged, "To pay in all the same: --force.", "%s", w)
	}
	return nil
}

// note adds to a step what of the contracts is not as it is known.
func (r *accountReport) note(s step) step {
	if w := changedWarning(r.Changed); w != "" {
		s.warnings = append(s.warnings, w)
	}
	return s
}

// revived are the sub-accounts whose revoked session tokens would be valid again if they were closed; true: it is not known.
func (r *accountReport) revived() (providers []admin.Address, unknown bool) {
	for i := range r.Accounts {
		if sub := &r.Accounts[i]; len(sub.Revoked) > 0 {
			providers = append(providers, sub.Provider)
		}
	}
	return providers, !r.knows(zg.PartAccounts)
}
