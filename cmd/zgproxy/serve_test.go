package main

import (
	"testing"

	"github.com/zgproxy/zgproxy/internal/billing"
)

func TestABuildThatRecordsNothingWorksOnTheDevnetOnly(t *testing.T) {
	for network, refused := range map[string]bool{"mainnet": true, "testnet": true, "devnet": false, "": true} {
		if err := refuseWithoutStore(true, network); (err != nil) != refused {
			t.Errorf("on %q: %v, want refused: %v", network, err, refused)
		}
		if err := refuseWithoutStore(false, network); err != nil {
			t.Errorf("a usual build on %q: %v", network, err)
		}
	}
	if billing.RecordsNothing || thisBuild().NoStore {
		t.Error("the usual build records nothing")
	}
}
