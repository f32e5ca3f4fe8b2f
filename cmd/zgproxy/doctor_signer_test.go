package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Who is asked to accept a provider that the daemon takes back by itself accepts for nothing, and learns not to look.
func TestDoctorKnowsSignersThatWereAccepted(t *testing.T) {
	p, first, second, third := common.Address{1}, common.Address{2}, common.Address{3}, common.Address{4}
	signs := func(signer common.Address) zg.Service {
		return zg.Service{Provider: p, URL: "https://one.example", TEESigner: signer, TEESignerAcknowledged: true}
	}
	elsewhere := signs(first)
	elsewhere.URL = "https://other.example"
	pin := func(signer common.Address) zg.Pin { return zg.PinOf(signs(signer), time.Unix(1, 0)) }
	changed := func(code string, by common.Address) *zg.Suspension {
		return &zg.Suspension{Provider: p, Code: code, Reason: "because", Signer: by}
	}
	for name, tt := range map[string]struct {
		now    zg.Service
		why    *zg.Suspension
		status checkStatus
	}{
		"as it is pinned":                             {signs(second), nil, checkPass},
		"back to the first":                           {signs(first), nil, checkWarn},
		"back to the first, suspended":                {signs(first), changed(zg.SuspendedSigner, third), checkWarn},
		"back to what is pinned, suspended":           {signs(second), changed(zg.SuspendedSigner, first), checkWarn},
		"it signed so before the chain had it":        {signs(first), changed(zg.SuspendedStranger, first), checkWarn},
		"a new one signed before the chain had it":    {signs(third), changed(zg.SuspendedStranger, third), checkFail},
		"a stranger signed, whom the chain never had": {signs(first), changed(zg.SuspendedStranger, third), checkFail},
		"a new one":                    {signs(third), nil, checkFail},
		"back to the first, elsewhere": {elsewhere, nil, checkFail},
		"back to the first, but for a signature that is none": {signs(first), changed("bad_signature", first), checkFail},
	} {
		t.Run(name, func(t *testing.T) {
			d := &doctor{
				pins: map[common.Address]zg.Pin{p: pin(second)}, suspended: map[common.Address]zg.Suspension{},
				accepted: map[common.Address][]zg.Pin{p: {pin(first), pin(second)}},
			}
			if tt.why != nil {
				d.suspended[p] = *tt.why
			}
			f := checkSigner(t.Context(), d, &patient{address: p, service: tt.now})
			if asks := strings.Contains(f.fix, "provider accept"); f.status != tt.status || asks != (tt.status == checkFail) {
				t.Errorf("%+v, want %s", f, tt.status)
			}
		})
	}
}
