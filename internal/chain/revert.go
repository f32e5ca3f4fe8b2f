package chain

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
)

// RevertError is a contract's refusal.
type RevertError struct {
	Name string // of the contract's error, or "unknown"
	Args []any
	Hint string // what it means and what to do, or empty
}

func (e *RevertError) Error() string {
	text := "the contract refused: " + e.Name
	if len(e.Args) > 0 {
		text += strings.ReplaceAll(fmt.Sprint(e.Args...), "\n", " ")
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// hints explain the refusals that an owner can do something about.
var hints = map[string]string{
	"LedgerNotExists":              "the wallet has no ledger yet; deposit 0G first",
	"AccountNotExists":             "there is no sub-account with this provider yet",
	"MinimumDepositRequired":       "the amount is below the contract's minimum",
	"InsufficientAvailableBalance": "the ledger has too little left; deposit more 0G",
	"ServiceNotFound":              "the ledger does not know this service name",
	"CallFailed":                   "the transfer failed inside: a provider that cannot be paid, or too little gas",
	"TooManyProvidersForService":   "the wallet has as many sub-accounts as the contract allows",
	"TooManyRefunds":               "five refunds are waiting already; wait for one to become free",
	"ServiceNotExist":              "the provider is not registered",
}

// contractErrors are all errors of both contracts by selector: calls of one bubble up errors of the other.
var contractErrors = func() map[[4]byte]abi.Error {
	all := map[[4]byte]abi.Error{}
	for _, meta := range []interface{ ParseABI() (*abi.ABI, error) }{&bindings.LedgerManagerMetaData, &bindings.InferenceServingMetaData} {
		parsed, err := meta.ParseABI()
		if err != nil {
			panic("chain: the generated bindings cannot be read: " + err.Error())
		}
		for _, e := range parsed.Errors {
			all[[4]byte(e.ID[:4])] = e
		}
	}
	return all
}()

// DecodeRevert reads a contract's refusal out of a JSON-RPC error. Only its data counts: the message is the node's own
// prose. Without data there is no telling what was refused, and ok is false.
func DecodeRevert(err error) (_ *RevertError, ok bool) {
	var known *RevertError
	if errors.As(err, &known) {
		return known, true
	}
	var de rpc.DataError
	if !errors.As(err, &de) {
		return nil, false
	}
	data := revertData(de.ErrorData())
	if len(data) < 4 {
		return nil, false
	}
	if e, ok := contractErrors[[4]byte(data[:4])]; ok {
		r := &RevertError{Name: e.Name, Hint: hints[e.Name]}
		if args, err := e.Inputs.Unpack(data[4:]); err == nil {
			r.Args = args
		}
		return r, true
	}
	if reason, err := abi.UnpackRevert(data); err == nil {
		return &RevertError{Name: reason}, true
	}
	return &RevertError{Name: "unknown " + hexutil.Encode(data[:4])}, true
}

// revertData finds the bytes in what nodes and gateways put there: hex, hex behind a prefix, or an object with data inside.
func revertData(v any) []byte {
	switch d := v.(type) {
	case string:
		if i := strings.Index(d, "0x"); i >= 0 {
			if b, err := hexutil.Decode(strings.TrimSpace(d[i:])); err == nil {
				return b
			}
		}
	case map[string]any:
		return revertData(d["data"])
	}
	return nil
}

// withRevert puts a contract's refusal in place of the node's words for it.
func withRevert(err error) error {
	if r, ok := DecodeRevert(err); ok {
		return r
	}
	return err
}

// isRevert reports whether an error is exactly this refusal. Nothing else, no time-out and no prose, means that something
// does not exist.
func isRevert(err error, name string) bool {
	var r *RevertError
	return errors.As(err, &r) && r.Name == name
}
