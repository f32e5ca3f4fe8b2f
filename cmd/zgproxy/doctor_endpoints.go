package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/chain"
)

// checkEndpoints asks each of several RPC endpoints separately. Of a single one the other checks tell.
func checkEndpoints(ctx context.Context, d *doctor) []finding {
	as := chainConfig(d.cfg, common.Address{})
	// Not the transport of the other checks: it remembers what time the endpoint that answered last said it was.
	as.CallTimeout, as.HTTP = longestCheck/2, &http.Client{Transport: d.date.next}
	client, err := chain.New(as) //nolint:contextcheck // makes no connection
	if err != nil {
		return nil // network.rpc has said so
	}
	probes := client.Probe(ctx)
	well := 0
	for i := range probes {
		if p := &probes[i]; p.Err == nil && p.ChainID == d.cfg.ChainID {
			well++
		}
	}
	out := make([]finding, len(probes))
	for i := range probes {
		p := &probes[i]
		out[i] = judgeEndpoint(p, d.cfg.ChainID, well, d.now())
		out[i].endpoint = &endpointReport{
			Name: oneLine(p.Name), ChainID: p.ChainID, Block: p.Head.Number, At: timeOrNil(p.Head.Time), Behind: p.Behind, Answer: p.Took.Milliseconds(),
		}
	}
	return out
}

const replaceEndpoint = "Take it out of ZGPROXY_RPC_URL, or put another one in its place."

// judgeEndpoint says whether one of several endpoints can be relied on; well is how many of them can be asked and serve the
// configured chain.
func judgeEndpoint(p *chain.Probe, configured uint64, well int, now time.Time) finding {
	if p.Err != nil {
		if well == 0 {
			return failed(replaceEndpoint, p.Err.Error(), "it cannot be asked, and no other one can")
		}
		return warned("Try again; if it lasts, take it out of ZGPROXY_RPC_URL, or put another one in its place.", p.Err.Error(), "it cannot be asked; %s can", plural(well, "other"))
	}
	if p.ChainID != configured {
		return failed(replaceEndpoint, "It is never used: what is signed for one chain is not valid on the other.", "it serves chain %d, configured is %d", p.ChainID, configured)
	}
	text := fmt.Sprintf("chain %d, block %d, %s, answers in %s", p.ChainID, p.Head.Number, distance(p), inMilliseconds(p.Took))
	switch {
	case p.Differs && well == 2:
		return failed("Add a third endpoint to tell which of the two is right, or take one of them out of ZGPROXY_RPC_URL.",
			"While the two disagree nothing is known about money, and nothing is paid.", "its block %d is another one than the other endpoint's; %s", p.Compared, text)
	case p.Differs:
		return failed(replaceEndpoint, "It is not believed while more of the others agree; where none do, nothing is paid.", "its block %d is another one than most others have; %s", p.Compared, text)
	case p.Lags(now):
		return warned(replaceEndpoint, "It is left out of what decides about money until it has caught up.", "it is behind: %s", text)
	case p.Leads():
		return warned(replaceEndpoint, "It claims a block that no other one has: it is wrong, or all others are behind.", "it is far ahead: %s", text)
	case p.Took > slowRPC:
		return warned(replaceEndpoint, "What decides about money waits for it, for two seconds at most.", "it is slow: %s", text)
	}
	return passed("%s", text)
}

// distance says where an endpoint's newest block is, compared with the others'.
func distance(p *chain.Probe) string {
	switch {
	case p.Behind > 0:
		return plural(int(min(p.Behind, 1<<30)), "block") + " behind"
	case p.Ahead > 0:
		return plural(int(min(p.Ahead, 1<<30)), "block") + " ahead"
	}
	return "the newest"
}

// checkAgreement tells which of several endpoints says something else of the wallet's money than the others agree on.
func checkAgreement(_ context.Context, d *doctor, _ *patient) finding {
	var of, about []string
	for _, s := range d.own.Endpoints() {
		if s.Apart != "" {
			of, about = append(of, s.Name), append(about, s.Apart)
		}
	}
	if len(of) > 0 {
		return warned(replaceEndpoint,
			"What one says against most others is not believed. It has lost the chain, or it lies.",
			"%s: something else than the others agree on about %s", strings.Join(of, ", "), strings.Join(slices.Compact(about), ", "))
	}
	return passed("they agree about it, as far as they answer")
}

// endpointStatus is one of several endpoints in /v1/status.
type endpointStatus struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Block uint64 `json:"block"`         // its newest, as far as it has shown
	Why   string `json:"why,omitempty"` // it is not ok
}

func (d *daemon) endpoints() (out []endpointStatus) {
	for _, s := range d.client.Endpoints() {
		why := oneLine(s.Ill())
		out = append(out, endpointStatus{oneLine(s.Name), why == "", s.Block, why})
	}
	return out
}

// endpointChecks tell of those of several endpoints that are ill. The others serve meanwhile, or the chain's own line says that
// none does.
func (d *daemon) endpointChecks() (out []admin.Check) {
	for _, e := range d.endpoints() {
		if !e.OK {
			out = append(out, admin.Check{Name: "endpoint", OK: true, Detail: e.Name + ": " + e.Why})
		}
	}
	return out
}
