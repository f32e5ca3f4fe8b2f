package chain

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// addr is the i-th of many addresses.
func addr(i int) common.Address { return common.BigToAddress(big.NewInt(int64(0x1000 + i))) }

func anyService(i int) bindings.Service {
	return bindings.Service{
		Provider: addr(i), ServiceType: "chatbot", Url: fmt.Sprintf("https://p%d.example/", i), Model: fmt.Sprintf("model-%d", i), Verifiability: "TeeML",
		InputPrice: big.NewInt(int64(i)), OutputPrice: big.NewInt(2), UpdatedAt: big.NewInt(1_790_000_000), TeeSignerAddress: addr(i), TeeSignerAcknowledged: true,
	}
}

// serveList answers a list function with pages of all, the way the contract does. change alters a page before it is
// sent.
func serveList[T any](n *node, calldata []byte, all []T, change func(offset int, page []T) []T) {
	n.onCall(inferenceAddr, calldata, func(args []any, _ string) answer {
		offset, limit := args[len(args)-2].(*big.Int).Int64(), args[len(args)-1].(*big.Int).Int64()
		if limit > pageSize {
			return refuses(selector("LimitTooLarge(uint256,uint256)"), big.NewInt(limit), big.NewInt(pageSize))
		}
		from := min(int(offset), len(all))
		page := slices.Clone(all[from:min(from+int(limit), len(all))])
		if change != nil {
			page = change(int(offset), page)
		}
		return values(page, big.NewInt(int64(len(all))))
	})
}

var (
	allServices = bindings.NewInferenceServing().PackGetAllServices(new(big.Int), new(big.Int))
	allAccounts = bindings.NewInferenceServing().PackGetAccountsByUser(common.Address{}, new(big.Int), new(big.Int))
)

func TestServicesOfAllPages(t *testing.T) {
	for _, total := range []int{0, 1, 49, 50, 51, 100, 137} {
		n := startNode(t)
		var all []bindings.Service
		for i := range total {
			all = append(all, anyService(i))
		}
		serveList(n, allServices, all, nil)
		dir, err := n.client(t).Services(t.Context())
		if err != nil || len(dir.Services) != total || dir.Block != 100 || dir.ReadAt.IsZero() {
			t.Errorf("%d services: read %d at block %d, %v", total, len(dir.Services), dir.Block, err)
			continue
		}
		for i, s := range dir.Services {
			if s.Provider != addr(i) || s.URL != fmt.Sprintf("https://p%d.example", i) || s.InputPrice != zg.NeuronOf(uint64(i)) {
				t.Errorf("service %d is %+v", i, s)
			}
		}
		if want := max(1, (total+49)/50); len(n.blocks) != want {
			t.Errorf("%d services: %d pages, want %d", total, len(n.blocks), want)
		}
		for _, b := range n.blocks {
			if b != `"0x64"` {
				t.Errorf("a page was read at block %s, want that of the first call", b)
			}
		}
	}
}

// An endpoint that serves pages of different blocks under one number repeats an entry when another has moved.
func TestServicesThatMoveCountOnce(t *testing.T) {
	n := startNode(t)
	var all []bindings.Service
	for i := range 60 {
		all = append(all, anyService(i))
	}
	serveList(n, allServices, all, func(offset int, page []bindings.Service) []bindings.Service {
		if offset > 0 {
			page[0] = anyService(3)
		}
		return page
	})
	dir, err := n.client(t).Services(t.Context())
	if err != nil || len(dir.Services) != 59 {
		t.Errorf("read %d services, %v; want 59", len(dir.Services), err)
	}
}

func TestServiceListsThatDoNotEnd(t *testing.T) {
	page := func(n int) []bindings.Service {
		out := make([]bindings.Service, n)
		for i := range out {
			out[i] = anyService(i)
		}
		return out
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 255)
	for name, a := range map[string]answer{
		"an empty page before the end": values(page(0), big.NewInt(3)),
		"always more to come":          values(page(1), huge),
		"more than was asked for":      values(page(51), big.NewInt(60)),
	} {
		n := startNode(t)
		n.on(inferenceAddr, allServices, a)
		_, err := n.client(t).Services(t.Context())
		wantErr(t, name, err, errEndless)
		if len(n.blocks) > maxPages {
			t.Errorf("%s: %d pages were read", name, len(n.blocks))
		}
	}
}

func TestServicesFailClosed(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	for name, raw := range map[string][]byte{
		"a bare number": make([]byte, 32),
		"no end":        {0xff},
		"2^255 services": setWord(setWord(make([]byte, 3*word), 0, big.NewInt(0x40)), 2,
			new(big.Int).Lsh(big.NewInt(1), 255)),
	} {
		n.on(inferenceAddr, allServices, answer{raw: raw})
		_, err := c.Services(t.Context())
		wantErr(t, name, err, ErrLayout)
	}
	n.on(inferenceAddr, allServices, refuses(selector("LimitTooLarge(uint256,uint256)"), big.NewInt(50), big.NewInt(20)))
	_, err := c.Services(t.Context())
	if r, ok := DecodeRevert(err); !ok || r.Name != "LimitTooLarge" {
		t.Errorf("a smaller page size: %v", err)
	}
}

// What one provider registers never breaks the list for the others, nor whoever shows it.
func TestServicesWithAbsurdTexts(t *testing.T) {
	n := startNode(t)
	absurd := bindings.Service{
		Provider: addr(1), ServiceType: "chat\xffbot", Url: strings.Repeat("https://", 1000), Model: "a\x1b[31m", Verifiability: strings.Repeat("v", 300),
		AdditionalInfo: `{"ProviderType":` + strings.Repeat("[", 5000), InputPrice: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)),
		OutputPrice: new(big.Int), UpdatedAt: new(big.Int).Lsh(big.NewInt(1), 200),
	}
	unicode := anyService(2)
	unicode.Url, unicode.Model, unicode.AdditionalInfo = " https://ok.example/a// ", "通义/千问-1", `{"ProviderType":"standard"}`
	long := anyService(3)
	long.AdditionalInfo = `{"ProviderType":"standard","x":"` + strings.Repeat("x", maxInfo) + `"}`
	serveList(n, allServices, []bindings.Service{anyService(0), absurd, unicode, long}, nil)
	dir, err := n.client(t).Services(t.Context())
	if err != nil || len(dir.Services) != 4 {
		t.Fatalf("Services = %+v, %v", dir, err)
	}
	want := zg.Service{Provider: addr(1), InputPrice: zg.MaxNeuron}
	if diff := cmp.Diff(want, dir.Services[1], neurons); diff != "" {
		t.Errorf("the absurd service (-want +got):\n%s", diff)
	}
	if s := dir.Services[2]; s.URL != "https://ok.example/a" || s.Model != "通义/千问-1" || !s.Info.Standard() {
		t.Errorf("the unusual service is %+v", s)
	}
	if s := dir.Services[3]; s.Info.Standard() || s.Model != "model-3" {
		t.Errorf("the service with much to say is %+v", s)
	}
}

func anyAccount(i int) bindings.Account {
	return bindings.Account{
		User: userAddr, Provider: addr(i), Nonce: big.NewInt(5), Balance: big.NewInt(100), PendingRefund: big.NewInt(30), Acknowledged: true,
		Refunds: []bindings.Refund{
			{Index: big.NewInt(0), Amount: big.NewInt(30), CreatedAt: big.NewInt(1_790_000_000)},
			{Index: big.NewInt(1), Amount: big.NewInt(4_000), CreatedAt: big.NewInt(1_780_000_000)}, // paid long ago
		},
		ValidRefundsLength: big.NewInt(1), Generation: big.NewInt(2), RevokedBitmap: big.NewInt(9),
	}
}

func TestHoldings(t *testing.T) {
	n := startNode(t)
	var all []bindings.Account
	for i := range 53 {
		all = append(all, anyAccount(i))
	}
	serveList(n, allAccounts, all, nil)
	c := n.client(t)
	h, err := c.Holdings(t.Context())
	if err != nil {
		t.Fatalf("Holdings: %v", err)
	}
	accounts := h.Accounts
	h.Accounts = nil
	want := zg.Holdings{
		Block: 100, BlockTime: time.Unix(0x6a000000, 0), Wallet: zg.OneOG.Mul(10), Ledger: &zg.Ledger{User: userAddr, Available: zg.OneOG.Mul(8), Total: zg.OneOG.Mul(10)},
		LockTime: 24 * time.Hour, MinLedger: zg.OneOG.Mul(3), MinAccount: zg.OneOG, Structs: map[string]int{"Account": 0, "Ledger": 0, "Refund": 0},
	}
	if diff := cmp.Diff(want, h, neurons); diff != "" {
		t.Errorf("Holdings (-want +got):\n%s", diff)
	}
	wantAccount := zg.SubAccount{
		User: userAddr, Provider: addr(52), Nonce: big.NewInt(5), Balance: zg.NeuronOf(100), PendingRefund: zg.NeuronOf(30), Acknowledged: true,
		Refunds:    []zg.Refund{{Index: 0, Amount: zg.NeuronOf(30), CreatedAt: time.Unix(1_790_000_000, 0)}},
		Generation: 2, RevokedBitmap: big.NewInt(9),
	}
	if diff := cmp.Diff(wantAccount, accounts[addr(52)], neurons, bigs); len(accounts) != 53 || diff != "" {
		t.Errorf("%d accounts (-want +got):\n%s", len(accounts), diff)
	}
	// Balance, ledger, two pages and the lock time are of one block; the constants of any.
	if got := strings.Join(n.blocks, " "); got != `"0x64" "0x64" "0x64" "0x64" "latest" "latest" "0x64"` {
		t.Errorf("read at blocks %s", got)
	}
	if _, err := c.Holdings(t.Context()); err != nil || len(n.blocks) != 12 {
		t.Errorf("the constants were asked for again: %d readings, %v", len(n.blocks), err)
	}
}

func TestHoldingsWithoutLedger(t *testing.T) {
	n := startNode(t)
	n.on(ledgerAddr, bindings.NewLedgerManager().PackGetLedger(userAddr), refuses(ledgerNotExists, userAddr))
	h, err := n.client(t).Holdings(t.Context())
	if err != nil || h.Ledger != nil || len(h.Accounts) != 0 || h.MinLedger != zg.OneOG.Mul(3) {
		t.Errorf("Holdings = %+v, %v", h, err)
	}
}

// Nothing but the contract's own word means that something is not there: any failure fails the whole reading.
func TestHoldingsFailClosed(t *testing.T) {
	led := bindings.NewLedgerManager()
	getLedger := led.PackGetLedger(userAddr)
	somebody := anyAccount(1)
	somebody.User = addr(9)
	tooMany := anyAccount(1)
	tooMany.ValidRefundsLength = big.NewInt(3)
	future := anyAccount(1)
	future.Generation = new(big.Int).Lsh(big.NewInt(1), 64)
	broke := &nodeError{Code: -32000, Message: "LedgerNotExists: header not found"}
	tests := map[string]func(*node){
		"a ledger call that times out at the node": func(n *node) {
			n.on(ledgerAddr, getLedger, answer{err: &nodeError{Code: -32002, Message: "timed out"}})
		},
		"a refusal without data": func(n *node) {
			n.on(ledgerAddr, getLedger, answer{err: &nodeError{Code: 3, Message: "execution reverted: LedgerNotExists"}})
		},
		"a refusal with empty data":   func(n *node) { n.on(ledgerAddr, getLedger, answer{err: &nodeError{Code: 3, Data: "0x"}}) },
		"somebody else has no ledger": func(n *node) { n.on(ledgerAddr, getLedger, refuses(ledgerNotExists, addr(9))) },
		"a reason in words":           func(n *node) { n.on(ledgerAddr, getLedger, refuses(selector("Error(string)"), "LedgerNotExists")) },
		"another refusal":             func(n *node) { n.on(ledgerAddr, getLedger, refuses(selector("LedgerLocked()"))) },
		"an unknown refusal":          func(n *node) { n.on(ledgerAddr, getLedger, answer{err: &nodeError{Code: 3, Data: "0x11223344"}}) },
		"somebody else's ledger": func(n *node) {
			n.on(ledgerAddr, getLedger, values(bindings.Ledger{User: addr(9), AvailableBalance: new(big.Int), TotalBalance: new(big.Int)}))
		},
		"an empty answer":           func(n *node) { delete(n.functions, ledgerAddr) },
		"accounts of somebody else": func(n *node) { serveList(n, allAccounts, []bindings.Account{somebody}, nil) },
		"an account twice":          func(n *node) { serveList(n, allAccounts, []bindings.Account{anyAccount(1), anyAccount(1)}, nil) },
		"more refunds than slots":   func(n *node) { serveList(n, allAccounts, []bindings.Account{tooMany}, nil) },
		"an impossible generation":  func(n *node) { serveList(n, allAccounts, []bindings.Account{future}, nil) },
		"fewer accounts than stated": func(n *node) {
			n.on(inferenceAddr, allAccounts, values([]bindings.Account{anyAccount(1)}, big.NewInt(2)))
		},
		"more accounts than stated": func(n *node) {
			n.on(inferenceAddr, allAccounts, values([]bindings.Account{anyAccount(1), anyAccount(2)}, big.NewInt(1)))
		},
		"no account, says a node": func(n *node) { n.on(inferenceAddr, allAccounts, refuses(accountNotExists, userAddr, providerAddr)) },
		"no minimum":              func(n *node) { n.on(ledgerAddr, led.PackMINTRANSFERAMOUNT(), answer{err: broke}) },
		"no balance":              func(n *node) { n.method("eth_getBalance", nil, broke) },
		"no block":                func(n *node) { n.method("eth_getBlockByNumber", nil, broke) },
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			n := startNode(t)
			script(n)
			if h, err := n.client(t).Holdings(t.Context()); err == nil {
				t.Errorf("Holdings = %+v", h)
			}
		})
	}
}

// What one part of the reading does not take is read without it, and what is missing is named.
func TestKnownHoldings(t *testing.T) {
	led, inf := bindings.NewLedgerManager(), bindings.NewInferenceServing()
	silent := answer{err: &nodeError{Code: 3, Message: "execution reverted", Data: "0x"}}
	for part, script := range map[zg.Part]func(*node){
		zg.PartLedger:   func(n *node) { n.on(ledgerAddr, led.PackGetLedger(userAddr), silent) },
		zg.PartAccounts: func(n *node) { n.on(inferenceAddr, allAccounts, silent) },
		zg.PartMinimums: func(n *node) { n.on(ledgerAddr, led.PackMINTRANSFERAMOUNT(), silent) },
		zg.PartLockTime: func(n *node) {
			n.on(inferenceAddr, inf.PackLockTime(), values(new(big.Int).Lsh(big.NewInt(1), 255)))
		},
	} {
		n := startNode(t)
		serveList(n, allAccounts, []bindings.Account{anyAccount(1)}, nil)
		script(n)
		c := n.client(t)
		h, err := c.Known(t.Context())
		if err != nil || len(h.Unread) != 1 || h.Unread[part] == "" || h.Wallet.IsZero() {
			t.Errorf("without the %s: %+v, %v", part, h, err)
		}
		if (h.Ledger == nil) != (part == zg.PartLedger) || (len(h.Accounts) == 0) != (part == zg.PartAccounts) {
			t.Errorf("without the %s: %+v", part, h)
		}
		if _, err := c.Holdings(t.Context()); (err == nil) != (part == zg.PartLockTime) {
			t.Errorf("everything without the %s: %v", part, err)
		}
	}
}

func TestGeneration(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	getAccount := c.inf.PackGetAccount(userAddr, providerAddr)
	account := anyAccount(0)
	account.Provider = providerAddr
	ask := func(a answer) (uint64, error) {
		n.on(inferenceAddr, getAccount, a)
		return c.Generation(t.Context(), providerAddr)
	}
	if g, err := ask(values(account)); g != 2 || err != nil {
		t.Errorf("Generation = %d, %v; want 2", g, err)
	}
	if g, err := ask(refuses(accountNotExists, userAddr, providerAddr)); g != 0 || err != nil {
		t.Errorf("without a sub-account: %d, %v; want 0", g, err)
	}
	for name, a := range map[string]answer{
		"another provider's":            values(anyAccount(0)),
		"another provider has none":     refuses(accountNotExists, userAddr, addr(7)),
		"no ledger":                     refuses(ledgerNotExists, userAddr),
		"no service":                    refuses(selector("ServiceNotExist(address)"), providerAddr),
		"no data":                       {err: &nodeError{Code: 3, Message: "AccountNotExists"}},
		"an answer that is too short":   {raw: make([]byte, 31)},
		"an answer of only zeros":       {raw: make([]byte, 12*32)},
		"a node that is out of sorts":   {err: &nodeError{Code: -32603, Message: "internal error 0x08ca03ac"}},
		"a node that reverted silently": {err: &nodeError{Code: 3, Data: "0x"}},
	} {
		if g, err := ask(a); err == nil {
			t.Errorf("%s: Generation = %d without an error", name, g)
		}
	}
	n.setFault(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		http.Error(w, "AccountNotExists", http.StatusInternalServerError)
		return true
	})
	if _, err := c.Generation(t.Context(), providerAddr); !errors.Is(err, ErrRPC) {
		t.Errorf("with a broken endpoint: %v", err)
	}
}

// One service is what the contract says of that provider at that block, and only one refusal means that there is none.
func TestService(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	getService := c.inf.PackGetService(addr(1))
	ask := func(a answer) (zg.Service, bool, error) {
		var at string
		n.onCall(inferenceAddr, getService, func(_ []any, block string) answer { at = block; return a })
		s, ok, err := c.Service(t.Context(), addr(1), 77)
		if at != `"0x4d"` {
			t.Errorf("it was read at block %q, want 77", at)
		}
		return s, ok, err
	}
	if s, ok, err := ask(values(anyService(1))); !ok || err != nil || s.Provider != addr(1) || s.TEESigner != addr(1) || !s.TEESignerAcknowledged || s.URL != "https://p1.example" {
		t.Errorf("Service = %+v, %v, %v", s, ok, err)
	}
	if s, ok, err := ask(refuses(serviceNotExist, addr(1))); ok || err != nil {
		t.Errorf("of one that left: %+v, %v, %v", s, ok, err)
	}
	for name, a := range map[string]answer{
		"another provider's":            values(anyService(2)),
		"another provider has none":     refuses(serviceNotExist, addr(2)),
		"no account":                    refuses(accountNotExists, userAddr, addr(1)),
		"no data":                       {err: &nodeError{Code: 3, Message: "ServiceNotExist"}},
		"an answer of only zeros":       {raw: make([]byte, 12*32)},
		"a node that reverted silently": {err: &nodeError{Code: 3, Data: "0x"}},
	} {
		if s, ok, err := ask(a); err == nil {
			t.Errorf("%s: %+v, %v without an error", name, s, ok)
		}
	}
}
