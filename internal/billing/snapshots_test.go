package billing

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var compareBig = cmp.Comparer(func(a, b *big.Int) bool { return (a == nil) == (b == nil) && (a == nil || a.Cmp(b) == 0) })

// saved is one of each kind of reading, with every field set, and with amounts that no float could hold.
func saved() (zg.Directory, map[common.Address]zg.Catalog, zg.Holdings) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)
	price := zg.Price{
		Input: zg.MaxNeuron, Output: zg.NeuronOf(1<<63 + 1), Tiers: []zg.Tier{{MaxInputTokens: 1 << 60, Input: zg.Ratio{Num: 3, Den: 2}, Output: zg.Ratio{Num: 2}}},
		Cache: zg.CacheBilling{Divisor: 4, Write: zg.Ratio{Num: 5, Den: 4}, Write1h: zg.Ratio{Num: 2, Den: 1}},
	}
	dir := zg.Directory{Block: 1<<53 + 1, ReadAt: at, Services: []zg.Service{{
		Provider: alice, Type: zg.Chatbot, URL: "https://a.example", InputPrice: zg.MaxNeuron, OutputPrice: zg.NeuronOf(7), UpdatedAt: at.Add(-time.Hour),
		Model: "a \"model\" <&>", Verifiability: "TeeML", TEESigner: bob, TEESignerAcknowledged: true,
		Info: zg.ServiceInfo{
			TargetSeparated: true, TargetTEEAddress: bob, ProviderType: "centralized", MultiModel: true, Tiers: price.Tiers, CacheDivisor: 4,
		},
	}}}
	catalogs := map[common.Address]zg.Catalog{alice: {Provider: alice, ReadAt: at, Models: []zg.Model{{
		ID: "m", CanonicalID: "org/m", Name: "M", Type: zg.Chatbot, Price: price, Priced: true, ContextLength: 1 << 40, MaxCompletionTokens: 9, ExpiresAt: at,
	}}}}
	holdings := zg.Holdings{
		Block: 1<<63 + 5, BlockTime: at, Wallet: zg.MaxNeuron, Ledger: &zg.Ledger{User: bob, Available: zg.OneOG, Total: zg.OneOG.Mul(3)},
		Accounts: map[common.Address]zg.SubAccount{alice: {
			User: bob, Provider: alice, Nonce: new(big.Int).Lsh(big.NewInt(1), 200), Balance: zg.OneOG.Mul(2), PendingRefund: zg.NeuronOf(1),
			Refunds: []zg.Refund{{Index: 1 << 60, Amount: zg.NeuronOf(1), CreatedAt: at}}, Acknowledged: true, Generation: 1<<64 - 1, RevokedBitmap: big.NewInt(0),
		}},
		LockTime: 24 * time.Hour, MinLedger: zg.OneOG, MinAccount: zg.NeuronOf(3),
	}
	return dir, catalogs, holdings
}

func TestSnapshots(t *testing.T) {
	store := openStore(t, t.TempDir())
	dir, catalogs, holdings := saved()
	at := dir.ReadAt
	var got zg.Directory
	if _, found, err := store.LoadSnapshot(t.Context(), "directory", &got); found || err != nil {
		t.Errorf("before anything was saved: found %v, %v", found, err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(store.SaveSnapshot("directory", zg.Directory{Block: 1}, at.Add(-time.Minute)))
	must(store.SaveSnapshot("directory", dir, at))
	must(store.SaveSnapshot("catalogs", catalogs, at))
	must(store.SaveSnapshot("accounts", holdings, at))

	when, found, err := store.LoadSnapshot(t.Context(), "directory", &got)
	if err != nil || !found || !when.Equal(at) {
		t.Errorf("directory: found %v of %v, %v; want that of %v", found, when, err, at)
	}
	if diff := cmp.Diff(dir, got, compareAmounts); diff != "" {
		t.Errorf("the directory changed on the way (-saved +loaded):\n%s", diff)
	}
	var cats map[common.Address]zg.Catalog
	if _, _, err := store.LoadSnapshot(t.Context(), "catalogs", &cats); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(catalogs, cats, compareAmounts); diff != "" {
		t.Errorf("the catalogues changed on the way (-saved +loaded):\n%s", diff)
	}
	var held zg.Holdings
	if _, _, err := store.LoadSnapshot(t.Context(), "accounts", &held); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(holdings, held, compareAmounts, compareBig); diff != "" {
		t.Errorf("the accounts changed on the way (-saved +loaded):\n%s", diff)
	}

	if err := store.SaveSnapshot("odd", make(chan int), at); err == nil {
		t.Error("something that is no JSON was saved")
	}
	must(store.SaveSnapshot("odd", "text", at))
	if _, found, err := store.LoadSnapshot(t.Context(), "odd", &got); err == nil || found {
		t.Errorf("text was read as a directory: found %v, %v", found, err)
	}
}

// FuzzSnapshot: whatever JSON a reading was saved from, what is loaded saves as the same again.
func FuzzSnapshot(f *testing.F) {
	dir, catalogs, holdings := saved()
	for _, v := range []any{dir, catalogs, holdings, nil} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, b, &zg.Directory{}, &zg.Directory{})
		again(t, b, &map[common.Address]zg.Catalog{}, &map[common.Address]zg.Catalog{})
		again(t, b, &zg.Holdings{}, &zg.Holdings{})
	})
}

// again reads JSON, writes it, and reads it again; both readings must be equal.
func again[T any](t *testing.T, b []byte, first, second *T) {
	t.Helper()
	if json.Unmarshal(b, first) != nil {
		return
	}
	once, err := json.Marshal(first)
	if err != nil {
		return // a time or a number that JSON has no form for
	}
	if err := json.Unmarshal(once, second); err != nil {
		t.Fatalf("what was saved cannot be loaded: %v\n%s", err, once)
	}
	if diff := cmp.Diff(first, second, compareAmounts, compareBig, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-saved +loaded):\n%s", diff)
	}
}
