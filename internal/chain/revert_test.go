package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
)

// Every error that either contract declares is in the table, with its own arguments, and the table holds no error
// twice.
func TestRefusalTableIsComplete(t *testing.T) {
	if len(refusals) != len(refusalTable) {
		t.Errorf("%d selectors of %d rows: a row is there twice", len(refusals), len(refusalTable))
	}
	for _, contract := range []abi.ABI{bindings.NewLedgerManager().GetABI(), bindings.NewInferenceServing().GetABI()} {
		for _, e := range contract.Errors {
			r, ok := refusals[[4]byte(e.ID[:4])]
			if !ok || r.name != e.Name || len(r.args) != len(e.Inputs) {
				t.Errorf("%s is not in the table (found %q)", e.Sig, r.name)
			}
		}
	}
	// Selectors as the deployed contracts use them.
	for sel, name := range map[string]string{
		"0x7d2d536b": "LedgerNotExists", "0x08ca03ac": "AccountNotExists", "0x54443ec4": "MinimumDepositRequired", "0xadb9e043": "InsufficientAvailableBalance",
		"0xb5365807": "ServiceNotFound", "0x3204506f": "CallFailed", "0xe9499337": "TooManyProvidersForService", "0x9edd285f": "TooManyRefunds",
		"0x098eda7e": "ServiceNotExist", "0x062ba4db": "LimitTooLarge", "0x69e0a42c": "AdditionalInfoTooLong", "0xef54fd9d": "AdditionalInfoTooLong",
		"0x99ed87d8": "ProviderCannotBeUser", "0x8e4c8aa6": "InvalidAddress", "0x0dc149f0": "AlreadyInitialized", "0x689e300a": "LedgerLocked",
		"0x5beadfcc": "NoRecommendedService", "0x90b8ec18": "TransferFailed", "0x08c379a0": "Error", "0x4e487b71": "Panic",
	} {
		if got := refusals[[4]byte(hexutil.MustDecode(sel))].name; got != name {
			t.Errorf("selector %s is %q, want %q", sel, got, name)
		}
	}
}

func TestDecodeRevert(t *testing.T) {
	missing := refuses(accountNotExists, userAddr, providerAddr).err.Data.(string)
	reason := refuses(selector("Error(string)"), "LedgerNotExists").err.Data.(string)
	tests := []struct {
		name string
		code int
		data any
		want string // name and number of arguments; empty: not a refusal
	}{
		{"geth and anvil", 3, missing, "AccountNotExists/2"},
		{"a gateway's code", -32000, missing, "AccountNotExists/2"},
		{"another gateway's code", -32015, missing, "AccountNotExists/2"},
		{"behind a prefix", -32015, "Reverted " + missing, "AccountNotExists/2"},
		{"inside an object", -32000, map[string]any{"data": missing, "message": "reverted"}, "AccountNotExists/2"},
		{"inside two objects", -32000, map[string]any{"data": map[string]any{"data": "Reverted " + missing}}, "AccountNotExists/2"},
		{"a selector alone", 3, missing[:10], "AccountNotExists/0"},
		{"arguments cut off", 3, missing[:len(missing)-2], "AccountNotExists/0"},
		{"a reason that spells an error's name", 3, reason, "Error/1"},
		{"a panic", 3, refuses(selector("Panic(uint256)"), big.NewInt(0x11)).err.Data, "Panic/1"},
		{"unknown", 3, "0xdeadbeef00", "/0"},
		{"no data", 3, nil, ""},
		{"empty data", 3, "0x", ""},
		{"too short for a selector", 3, "0x08ca03", ""},
		{"odd hex", 3, "0x08ca03a", ""},
		{"no hex", 3, "08ca03ac", ""},
		{"hex and then words", 3, missing + " oops", ""},
		{"a number", 3, 5.0, ""},
		{"a list", 3, []any{missing}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The message names an error all the time, and it never counts.
			err := fmt.Errorf("call: %w", &nodeError{Code: tt.code, Message: "execution reverted: LedgerNotExists()", Data: tt.data})
			r, ok := DecodeRevert(err)
			got := ""
			if ok {
				got = fmt.Sprintf("%s/%d", r.Name, len(r.Args))
			}
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("DecodeRevert = %q, %v; want %q", got, ok, tt.want)
			}
			if notThere(err, ledgerNotExists, userAddr) {
				t.Error("read as: there is no ledger")
			}
		})
	}
	if _, ok := DecodeRevert(errors.New(missing)); ok {
		t.Error("an error without data was decoded from its text")
	}
	if _, ok := DecodeRevert(nil); ok {
		t.Error("no error was decoded")
	}
}

func TestRevertErrorText(t *testing.T) {
	r, _ := DecodeRevert(refuses(selector("MinimumDepositRequired(uint256,uint256)"), big.NewInt(5), big.NewInt(7)).err)
	if got := r.Error(); !strings.HasPrefix(got, "the contract refused: MinimumDepositRequired(5, 7): the amount is below") {
		t.Errorf("text: %s", got)
	}
	r, _ = DecodeRevert(refuses(selector("Error(string)"), "line one\nline two \x1b[31m"+strings.Repeat("x", 1000)).err)
	if got := r.Error(); strings.ContainsAny(got, "\n\x1b") || len(got) > 400 {
		t.Errorf("text is not fit for a log: %q", got)
	}
	r, _ = DecodeRevert(&nodeError{Code: 3, Data: "0xdeadbeef"})
	if got := r.Error(); got != "the contract refused: unknown error 0xdeadbeef()" {
		t.Errorf("text: %s", got)
	}
}

// Only the selector says that something does not exist, and only of the accounts asked about.
func TestNotThere(t *testing.T) {
	decode := func(a answer) error {
		r, ok := DecodeRevert(a.err)
		if !ok {
			t.Fatalf("not decoded: %v", a.err)
		}
		return fmt.Errorf("eth_call: %w", r)
	}
	missing := refuses(accountNotExists, userAddr, providerAddr)
	if !notThere(decode(missing), accountNotExists, userAddr, providerAddr) {
		t.Error("the contract's own word is not taken")
	}
	for name, err := range map[string]error{
		"nothing":                 nil,
		"somebody else's":         decode(refuses(accountNotExists, providerAddr, providerAddr)),
		"with another provider":   decode(refuses(accountNotExists, userAddr, userAddr)),
		"no service":              decode(refuses(selector("ServiceNotExist(address)"), userAddr)),
		"no ledger":               decode(refuses(ledgerNotExists, userAddr)),
		"a reason with the words": decode(refuses(selector("Error(string)"), "AccountNotExists")),
		"words only":              errors.New("AccountNotExists 0x08ca03ac"),
	} {
		if notThere(err, accountNotExists, userAddr, providerAddr) {
			t.Errorf("%s: read as: there is no sub-account", name)
		}
	}
}

func FuzzDecodeRevert(f *testing.F) {
	for _, v := range readRecorded(f).Errors {
		data, err := json.Marshal(v.Error.Data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"data":{"data":"Reverted 0x08c379a0"}}`))
	f.Add([]byte(`"0x08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000ffffffff"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		r, ok := DecodeRevert(&nodeError{Code: 3, Data: v})
		if !ok {
			return
		}
		if strings.ContainsAny(r.Error(), "\r\n\x00\x1b") || len(r.Error()) > 2000 {
			t.Fatalf("text is not fit for a log: %q", r.Error())
		}
		entry, known := refusals[r.Selector]
		if known != (r.Name != "") || (r.Args != nil && len(r.Args) != len(entry.args)) {
			t.Fatalf("decoded as %+v", r)
		}
	})
}
