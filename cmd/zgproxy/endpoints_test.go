package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// several is a daemon on three endpoints of one chain, which tests make ill.
type several struct {
	*hostile
	at [3]*simchain.Endpoint
}

// dead refuses everything.
func dead(string, []byte) *simchain.Fault {
	return &simchain.Fault{Status: http.StatusInternalServerError}
}

// boasts claims that wherever the contracts have a few 0G there are a thousand.
func boasts(method string, _ []byte) *simchain.Fault {
	if method != "eth_call" {
		return nil
	}
	return &simchain.Fault{Rewrite: func(result json.RawMessage) json.RawMessage {
		var said hexutil.Bytes
		if json.Unmarshal(result, &said) != nil {
			return nil
		}
		some, many := zg.OneOG.MulDiv(1, 2).Big(), zg.OneOG.Mul(100).Big()
		for word := range chunksOf(said, 32) {
			if n := new(uint256.Int).SetBytes(word).ToBig(); n.Cmp(some) > 0 && n.Cmp(many) < 0 {
				copy(word, zg.OneOG.Mul(1000).Big().FillBytes(make([]byte, 32)))
			}
		}
		out, err := json.Marshal(said)
		if err != nil {
			return nil
		}
		return out
	}}
}

// chunksOf are the whole words of what a contract has answered.
func chunksOf(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(b) >= size; b = b[size:] {
			if !yield(b[:size:size]) {
				return
			}
		}
	}
}

// old says that its newest block is an hour old, and five behind.
func (s *several) old() func(string, []byte) *simchain.Fault {
	s.Helper()
	var header map[string]any
	if err := json.Unmarshal(s.headerBehind(5), &header); err != nil {
		s.Fatal(err)
	}
	header["timestamp"] = hexutil.Uint64(time.Now().Add(-time.Hour).Unix())
	result, err := json.Marshal(header)
	if err != nil {
		s.Fatal(err)
	}
	return func(method string, params []byte) *simchain.Fault {
		if method == "eth_getBlockByNumber" && bytes.Contains(params, []byte(`"latest"`)) {
			return &simchain.Fault{Result: result}
		}
		return nil
	}
}

// ill polls until /v1/status and /readyz say of each endpoint what is the matter with it; empty: nothing.
func (s *several) ill(want ...string) {
	s.Helper()
	s.eventually(fmt.Sprintf("told to be %q", want), func() error {
		var status struct {
			Endpoints []endpointStatus `json:"endpoints"`
		}
		if _, body := s.get(s.daemon.admin + "/v1/status"); json.Unmarshal([]byte(body), &status) != nil || len(status.Endpoints) != len(s.at) {
			return fmt.Errorf("the status: %s", body)
		}
		code, ready := s.get(s.daemon.admin + "/readyz")
		for i, e := range status.Endpoints {
			name := strings.TrimPrefix(s.at[i].URL(), "http://")
			told := strings.Contains(ready, name+": "+e.Why)
			if e.Name != name || e.OK != (want[i] == "") || !strings.Contains(e.Why, want[i]) || told == e.OK || code != http.StatusOK {
				return fmt.Errorf("%+v, want %q; readyz %d %s", e, want[i], code, ready)
			}
		}
		return nil
	})
}

// doctor says how the checks of the endpoints end.
func (s *several) doctor(want ...checkStatus) {
	s.Helper()
	r := decode[doctorReport](s.world, s.command("doctor", "--json"))
	var got []checkStatus
	for _, c := range r.Checks {
		if c.ID == "network.endpoint" || c.ID == "wallet.endpoints" {
			got = append(got, c.Status)
		}
		if c.Endpoint != nil && (c.Endpoint.Block == 0) != strings.Contains(c.Summary, "cannot be asked") {
			s.Errorf("%+v", c)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("doctor says %v, want %v: %+v", got, want, r.Checks)
	}
}

// A daemon on three endpoints of which one dies and comes back, one claims far more money than there is, and one falls behind:
// callers are served all the time, a top-up is made only on what two agree on and never above the cap, and the operator is told
// which endpoint is ill.
func TestSeveralEndpoints(t *testing.T) {
	w := newWorld(t, devnet.Config{PriceFactor: 2500})
	s := &several{hostile: &hostile{world: w, p: w.net.Providers[1]}}
	var urls []string
	for i := range s.at {
		e, err := w.net.Chain.NewEndpoint()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		s.at[i], urls = e, append(urls, e.URL())
	}
	a, b, c := s.at[0], s.at[1], s.at[2]
	w.env = append(w.net.Env(), "ZGPROXY_PROVIDERS="+s.p.Address().Hex(), "ZGPROXY_RPC_URL="+strings.Join(urls, ","),
		"ZGPROXY_BUDGET_TRANSFERS_DAY=6 0G", "ZGPROXY_LOG_LEVEL=debug")
	served := func(body string) { // once the provider has seen what was topped up; what it refuses costs nothing
		t.Helper()
		s.eventually("served", func() error {
			if code, answer := s.chat(body); code != http.StatusOK {
				return fmt.Errorf("%d %.300s", code, answer)
			}
			return nil
		})
	}
	w.inProcess()
	s.looked()
	s.ill("", "", "")
	s.doctor(checkPass, checkPass, checkPass, checkPass)
	s.eventually("full", func() error { // else the first top-up that is waited for below is the one of the beginning
		account, _, err := w.net.Chain.SubAccount(t.Context(), devnet.Wallet(), s.p.Address())
		if err == nil && account.Balance != zg.OneOG.Mul(3) {
			err = fmt.Errorf("it has %s 0G", account.Balance.Og())
		}
		return err
	})
	spent := s.transferred()

	c.SetFault(dead)
	served(spendBody)
	s.ill("", "", "did not answer when all were asked last")
	s.doctor(checkPass, checkPass, checkWarn, checkPass)
	first := spent.Add(s.toppedUp(spent))

	// Of the two that are left one lies: nothing is known of money, so nothing is moved, and callers are served all the same.
	b.SetFault(boasts)
	s.funding("told that they disagree", func(f fundingStatus) error {
		if !strings.Contains(f.Funding.Error, "disagree") {
			return fmt.Errorf("%q", f.Funding.Error)
		}
		return nil
	})
	served(spendBody)
	served(smallBody)
	if got := s.transferred(); got != first {
		t.Errorf("%s 0G moved while the endpoints disagree, %s before", got.Og(), first.Og())
	}

	c.SetFault(nil)
	second := first.Add(s.toppedUp(first))
	s.ill("", "something else than the others agree on about", "")
	s.doctor(checkPass, checkPass, checkPass, checkWarn)

	b.SetFault(nil)
	a.SetFault(s.old())
	served(spendBody)
	s.ill("it is behind", "", "")
	s.doctor(checkWarn, checkPass, checkPass, checkPass)
	third := second.Add(s.toppedUp(second))

	// The cap holds, whatever the liar claims.
	a.SetFault(nil)
	b.SetFault(boasts)
	served(spendBody)
	third = third.Add(s.toppedUp(third))
	served(spendBody)
	s.funding("held to its cap", func(f fundingStatus) error { return f.because("budget_transfers_day") })
	if got := s.transferred(); got.Less(third) || zg.OneOG.Mul(6).Less(got) {
		t.Errorf("%s 0G moved, the cap is 6", got.Og())
	}
	b.SetFault(nil)
	s.ill("", "", "")
}

// toppedUp polls until more was moved than before, and returns how much.
func (s *several) toppedUp(before zg.Neuron) (more zg.Neuron) {
	s.Helper()
	s.eventually("topped up", func() error {
		if more = s.transferred().Sub(before); more.IsZero() {
			return fmt.Errorf("%+v", s.standing())
		}
		return nil
	})
	return more
}
