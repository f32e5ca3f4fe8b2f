package zg

import "testing"

func TestNetworks(t *testing.T) {
	chains := map[uint64]bool{}
	for i, want := range Networks() {
		if got, ok := NetworkNamed(want.Name); !ok || got != want || NetworkNames()[i] != want.Name {
			t.Errorf("NetworkNamed(%s) = %+v, %v", want.Name, got, ok)
		}
		if chains[want.ChainID] || want.Money == "" || want.Ledger == want.Inference || want.RPCURL == "" {
			t.Errorf("%+v", want)
		}
		chains[want.ChainID] = true
	}
	if !Simulated("devnet") || Simulated("mainnet") || Simulated("Devnet") || Simulated("") {
		t.Error("one network is simulated, devnet")
	}
	if n, ok := NetworkNamed("devnet"); !ok || n.ChainID != 31337 || n.RPCURL != "http://127.0.0.1:8545" {
		t.Errorf("devnet is %+v", n)
	}
	if n, ok := NetworkNamed("Mainnet"); ok {
		t.Errorf("NetworkNamed(Mainnet) = %+v", n)
	}
	for words, want := range map[*[]string]string{{}: "", {"a"}: "a", {"a", "b"}: "a or b", {"a", "b", "c"}: "a, b or c"} {
		if got := OneOf(*words); got != want {
			t.Errorf("OneOf(%v) = %q", *words, got)
		}
	}
}
