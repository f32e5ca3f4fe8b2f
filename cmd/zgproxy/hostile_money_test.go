package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// The providers that lie, by their places in the network.
const (
	liarOfChats  = 1
	liarOfFilms  = 2
	liarOfSpeech = 4
)

// hostileLag is how long after its receipt a settlement is still claimed.
const hostileLag = 100 * time.Millisecond

// hostileKinds makes the network one of chats, pictures, videos and recordings that a sub-account can pay for.
func hostileKinds(name string, p *simprovider.Config, on *simchain.ServiceParams) {
	switch name {
	case "gamma":
		soakFilms(name, p, on)
	case "epsilon":
		cheapSpeech(p, on)
	}
}

// cheapSpeech lets what is set aside for a recording fit into a sub-account.
func cheapSpeech(p *simprovider.Config, on *simchain.ServiceParams) {
	p.Price = zg.Price{Input: p.Price.Input.MulDiv(1, 250), Output: p.Price.Output.MulDiv(1, 250)}
	on.InputPrice, on.OutputPrice = p.Price.Input, p.Price.Output
}

// stolen is what is billed for nothing.
var stolen = zg.OneOG.MulDiv(1, 2)

// coverLies hide in what honest providers do as well: they settle a while before they stop claiming, bill jobs long
// after their requests, and have had a part of an upload that broke off. The last one is done by another program with
// the wallet's key.
func coverLies() []script {
	film := func(prompt string) string {
		return fmt.Sprintf(`{"model":"film-asked","prompt":%q,"seconds":6,"size":"720p"}`, prompt)
	}
	bills := func(h *hostile) func() error {
		return func() error {
			h.p.Bill(devnet.Wallet(), stolen)
			return nil
		}
	}
	nothing := func(*hostile) {}
	alwaysLow := []string{"ZGPROXY_LOW_WATER=3 0G", "ZGPROXY_HIGH_WATER=4 0G"} // as soon as anything is owed
	return []script{
		{
			name: "goes on claiming what it has taken",
			lie: func(h *hostile) {
				h.spend()
				h.claimOn()
			},
			ask: func(h *hostile) {
				h.looked()
				if a := h.standing(); !a.Drift.Neuron.IsZero() || a.Funding != "" {
					h.Errorf("honest so far, and judged: %+v", a)
				}
			},
		},
		{
			name: "bills for nothing while it settles", paused: "drift", log: []string{"drift"},
			lie: func(h *hostile) {
				h.unfunded("drift", func() error {
					owed := h.claimOn()
					h.p.Bill(devnet.Wallet(), stolen)
					h.claim(owed.Add(stolen)) // until what was taken is deleted
					return nil
				})
			},
			ask: nothing,
		},
		{
			name: "bills a video that failed", liar: liarOfFilms, env: alwaysLow,
			paused: "drift", log: []string{"drift"}, ask: nothing,
			lie: func(h *hostile) {
				h.unfundedAfter(func(h *hostile) {
					h.film(film("the sea"), "queued")
					h.film(film("fail: the sea"), "failed")
				}, "drift", bills(h))
			},
			again: func(h *hostile) (int, string) { return h.send("/v1/videos", film("the sea")) },
		},
		{
			name: "claims more than a running video can cost", liar: liarOfFilms, env: alwaysLow,
			paused: "drift", log: []string{"drift"},
			lie: func(h *hostile) {
				h.unfundedAfter(func(h *hostile) { h.film(film("the sea"), "queued") }, "drift", bills(h))
			},
			ask:   nothing,
			again: func(h *hostile) (int, string) { return h.send("/v1/videos", film("the sea")) },
		},
		{
			name: "bills an upload that was broken off", liar: liarOfSpeech, env: alwaysLow,
			paused: "drift", log: []string{"drift"},
			lie: func(h *hostile) {
				h.unfundedAfter((*hostile).breakUploads, "drift", bills(h))
			},
			ask: nothing, again: (*hostile).recording,
		},
		{
			name: "another program has the key", paused: "foreign_transactions", log: []string{"foreign_transactions"},
			lie: func(h *hostile) {
				h.unfunded("foreign_transactions", func() error {
					return h.net.Chain.Transfer(h.Context(), devnet.WalletKey(), h.p.Address(), zg.OneOG.MulDiv(1, 10))
				})
			},
			ask: nothing,
		},
	}
}

// claimOn has the provider settle and go on claiming what it has taken, until a look has shown that. It returns how much.
func (h *hostile) claimOn() zg.Neuron {
	h.Helper()
	h.atRest(h.p)
	owed := h.p.Unsettled(devnet.Wallet())
	h.claim(owed)
	if err := h.p.Settle(h.Context()); err != nil {
		h.Fatal(err)
	}
	h.eventually("watched", func() error {
		if a := h.standing(); a.Watched.Neuron.IsZero() || !a.Drift.Neuron.IsZero() {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	return owed
}

// claim makes the provider claim so much, whatever is true.
func (h *hostile) claim(n zg.Neuron) {
	h.p.SetUnsettledReply(fmt.Sprintf(`{"userAddress":%q,"unsettledFee":%q}`, devnet.Wallet().Hex(), n))
}

// breakUploads sends a recording, and parts of some more, with and without their lengths.
func (h *hostile) breakUploads() {
	h.Helper()
	if code, answer := h.recording(); code != http.StatusOK {
		h.Fatalf("%d %s", code, answer)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 8 {
		if err := hangUp(h.Context(), h.daemon.api, uploadForm(h.p.Model()), random); err != nil {
			h.Fatal(err)
		}
	}
	h.atRest(h.p)
}

func (h *hostile) recording() (int, string) {
	h.Helper()
	form := "multipart/form-data; boundary=" + soakBoundary
	resp, answer := h.post("/v1/audio/transcriptions", form, []byte(uploadForm(h.p.Model())))
	return resp.StatusCode, string(answer)
}

// film asks for a video, and how far it is until it has come to a status.
func (h *hostile) film(body, status string) {
	h.Helper()
	code, answer := h.send("/v1/videos", body)
	var made struct{ ID, Status string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || code != http.StatusOK {
		h.Fatalf("%d %s: %v", code, answer, err)
	}
	if made.Status == status {
		return
	}
	h.eventually(status, func() error {
		if _, body := h.get(h.daemon.api + "/v1/videos/" + made.ID); !strings.Contains(body, `"status":"`+status+`"`) {
			return errors.New(body)
		}
		return nil
	})
}
