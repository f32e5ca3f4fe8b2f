package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// fundingStatus is what the operator is told about the provider's sub-account.
type fundingStatus struct {
	Funding struct {
		Block  uint64 `json:"block"`
		ReadAt string `json:"read_at"`
		Error  string `json:"error"`
	} `json:"funding"`
	Accounts []struct {
		Provider string   `json:"provider"`
		Funding  string   `json:"funding"`
		Warnings []string `json:"warnings"`
	} `json:"accounts"`
	of string
}

func (f fundingStatus) seen() error {
	if f.Funding.Block == 0 {
		return errors.New("the chain has not been read")
	}
	return nil
}

// looked returns when a look has begun and ended.
func (h *hostile) looked() {
	h.Helper()
	first, looks := "", map[string]bool{}
	h.funding("looked at again", func(f fundingStatus) error {
		if first == "" {
			first = f.Funding.ReadAt
		}
		if looks[f.Funding.ReadAt] = true; len(looks) < 3 { // the one after this may have begun already
			return fmt.Errorf("%d looks since %s", len(looks), first)
		}
		return nil
	})
}

func (f fundingStatus) because(reason string) error {
	for _, a := range f.Accounts {
		if strings.EqualFold(a.Provider, f.of) {
			if a.Funding == reason {
				return nil
			}
			return fmt.Errorf("the reason is %q, want %q (error %q)", a.Funding, reason, f.Funding.Error)
		}
	}
	return errors.New("the provider is not among the accounts")
}

// funding polls the status.
func (h *hostile) funding(what string, f func(fundingStatus) error) {
	h.Helper()
	h.eventually(what, func() error {
		code, body := h.get(h.daemon.admin + "/v1/status")
		s := fundingStatus{of: h.p.Address().Hex()}
		if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
			return fmt.Errorf("%d %s: %w", code, body, err)
		}
		return f(s)
	})
}

// standing is what the status says of the liar's sub-account.
func (h *hostile) standing() (a lagAccount) {
	h.Helper()
	var status lagStatus
	if _, body := h.get(h.daemon.admin + "/v1/status"); json.Unmarshal([]byte(body), &status) != nil {
		h.Fatalf("the status: %s", body)
	}
	for _, a := range status.Accounts {
		if a.Provider == h.p.Address() {
			return a
		}
	}
	return a
}
