package chain

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
)

// down makes a node refuse everything; answers gives it back.
func (n *node) down(is bool) *node {
	n.setFault(func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if is {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusInternalServerError)
		}
		return is
	})
	return n
}

// Each endpoint is asked separately, and compared with the others.
func TestProbe(t *testing.T) {
	ask := func(t *testing.T, nodes []*node) []Probe {
		t.Helper()
		return clientOf(t, nodes).Probe(t.Context())
	}
	t.Run("a healthy pair", func(t *testing.T) {
		nodes := startNodes(t, 2)
		nodes[1].has(102, 0)
		p := ask(t, nodes)
		if p[0].Err != nil || p[1].Err != nil || p[0].Behind != 2 || p[1].Behind != 0 || p[0].Differs || p[1].Differs || p[0].Lags(time.Now()) || p[0].ChainID != testChain {
			t.Errorf("%+v", p)
		}
	})
	t.Run("one dead", func(t *testing.T) {
		nodes := startNodes(t, 2)
		nodes[0].down(true)
		if p := ask(t, nodes); p[0].Err == nil || !strings.Contains(p[0].Err.Error(), "500") || p[1].Err != nil || p[1].Head.Number != 100 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("one behind", func(t *testing.T) {
		nodes := startNodes(t, 3)
		nodes[1].has(60, 0)
		p := ask(t, nodes)
		if !p[1].Lags(time.Now()) || p[1].Behind != 40 || p[0].Lags(time.Now()) || p[2].Lags(time.Now()) || p[1].Differs {
			t.Errorf("%+v", p)
		}
	})
	t.Run("one far ahead of three", func(t *testing.T) {
		nodes := startNodes(t, 3)
		nodes[2].has(100_000, 0)
		p := ask(t, nodes)
		if !p[2].Leads() || p[0].Lags(time.Now()) || p[0].Behind != 0 || p[2].Ahead != 99_900 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("one of another chain", func(t *testing.T) {
		nodes := startNodes(t, 2)
		nodes[0].method("eth_chainId", "0x1", nil)
		nodes[0].has(90_000, 0)
		if p := ask(t, nodes); p[0].ChainID != 1 || p[1].ChainID != testChain || p[1].Behind != 0 || p[0].Differs || p[1].Differs {
			t.Errorf("%+v", p)
		}
	})
	t.Run("one with other blocks", func(t *testing.T) {
		nodes := startNodes(t, 3)
		nodes[1].has(101, 90)
		if p := ask(t, nodes); p[0].Differs || !p[1].Differs || p[2].Differs || p[1].Compared != 100 {
			t.Errorf("%+v", p)
		}
		if p := ask(t, nodes[:2]); !p[0].Differs || !p[1].Differs {
			t.Errorf("of two: %+v", p)
		}
	})
}

// What the endpoints have shown is there for people, and passes when they are well again.
func TestEndpointsShow(t *testing.T) {
	nodes := startNodes(t, 3)
	c := clientOf(t, nodes)
	ill := func() (out []string) {
		_, _ = c.Holdings(t.Context()) // some of it is to fail
		for _, s := range c.Endpoints() {
			out = append(out, s.Ill())
		}
		return out
	}
	if s := c.Endpoints(); len(s) != 3 || s[0].Ill() != "" || s[0].Block != 0 {
		t.Errorf("before anything is asked: %+v", s)
	}
	for name, tt := range map[string]struct {
		is, well func()
		want     string
	}{
		"dead":    {func() { nodes[1].down(true) }, func() { nodes[1].down(false) }, "did not answer when all were asked last"},
		"behind":  {func() { nodes[1].has(60, 0) }, func() { nodes[1].has(100, 0) }, "it is behind (block 60)"},
		"a liar":  {func() { nodes[1].owns(1000) }, func() { nodes[1].owns(10) }, "something else than the others agree on about"},
		"nothing": {func() {}, func() {}, ""},
	} {
		tt.is()
		if got := ill(); got[0] != "" || got[2] != "" || !strings.Contains(got[1], tt.want) || (got[1] == "") != (tt.want == "") {
			t.Errorf("%s: %q", name, got)
		}
		tt.well()
		if got := ill(); strings.Join(got, "") != "" {
			t.Errorf("%s, well again: %q", name, got)
		}
	}
	nodes[2].method("eth_chainId", "0x1", nil)
	c = clientOf(t, nodes)
	if got := ill(); !strings.Contains(got[2], "another chain") || got[0]+got[1] != "" {
		t.Errorf("of another chain: %q", got)
	}
	if got := nodes[0].client(t).Endpoints(); got != nil {
		t.Errorf("one endpoint: %+v", got)
	}
}

// An endpoint's name does nothing to a terminal, whatever its URL hides.
func TestEndpointNamesArePrintable(t *testing.T) {
	all, err := newEndpoints([]string{"https://a%E2%80%AE.example.com/key", "https://a%E2%80%AE.example.com/other", "https://%C2%9B2J.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.ContainsFunc(e.name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(e.name, "key") {
			t.Errorf("%q", e.name)
		}
	}
	if all[0].name == all[1].name {
		t.Errorf("%q twice", all[0].name)
	}
}
