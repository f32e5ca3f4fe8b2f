package chain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// RevertError is a contract's refusal.
type RevertError struct {
	Selector [4]byte
	Name     string // of the contract's error; Error and Panic are Solidity's own; empty if the selector is not known
	Args     []any  // nil if they could not be read
	Raw      []byte // the arguments as they came, where they could not be read
	Hint     string // what it means and what to do about it, or empty
}

func (e *RevertError) Error() string {
	name := e.Name
	if name == "" {
		name = "unknown error " + hexutil.Encode(e.Selector[:])
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = zg.OneLine(fmt.Sprint(a), maxMessage)
	}
	if len(e.Raw) > 0 {
		args = []string{zg.OneLine(hexutil.Encode(e.Raw), maxMessage)}
	}
	text := "the contract refused: " + name + "(" + strings.Join(args, ", ") + ")"
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Is lets rooms that do not know this one recognise a contract's refusal.
func (e *RevertError) Is(target error) bool { return target == zg.ErrContract }

// refusal is one entry of the table of errors.
type refusal struct {
	name string
	args abi.Arguments
	hint string
}

// refusals are the errors of both contracts, and Solidity's own, by selector. They are one table because a call of one
// contract bubbles up what the other refuses.
var refusals = func() map[[4]byte]refusal {
	all := make(map[[4]byte]refusal, len(refusalTable))
	for _, row := range refusalTable {
		name, types, _ := strings.Cut(strings.TrimSuffix(row.signature, ")"), "(")
		r := refusal{name: name, hint: row.hint}
		for t := range strings.SplitSeq(types, ",") {
			if t == "" {
				continue
			}
			typ, err := abi.NewType(t, "", nil)
			if err != nil {
				panic("chain: " + row.signature + ": " + err.Error())
			}
			r.args = append(r.args, abi.Argument{Type: typ})
		}
		all[selector(row.signature)] = r
	}
	return all
}()

func selector(signature string) [4]byte { return [4]byte(crypto.Keccak256([]byte(signature))) }

// The only two refusals that mean that something does not exist.
var (
	ledgerNotExists  = selector("LedgerNotExists(address)")
	accountNotExists = selector("AccountNotExists(address,address)")
)

// DecodeRevert reads a contract's refusal out of a JSON-RPC error. Only its data counts: the message is the node's own
// prose. Without data there is no telling what was refused, and ok is false.
func DecodeRevert(err error) (_ *RevertError, ok bool) {
	if known, ok := errors.AsType[*RevertError](err); ok {
		return known, true
	}
	de, ok := errors.AsType[rpc.DataError](err)
	if !ok {
		return nil, false
	}
	data := revertData(de.ErrorData())
	if len(data) < 4 {
		return nil, false
	}
	r := &RevertError{Selector: [4]byte(data)}
	if r.Raw = data[4:]; len(r.Raw) == 0 {
		r.Raw = nil
	}
	entry, ok := refusals[r.Selector]
	if !ok {
		return r, true
	}
	r.Name, r.Hint = entry.name, entry.hint
	if checkLayout(entry.args, data[4:]) == nil {
		if args, err := entry.args.Unpack(data[4:]); err == nil {
			r.Args, r.Raw = args, nil
		}
	}
	return r, true
}

// revertData finds the bytes where nodes and gateways put them: hex, hex behind a prefix, or an object with data
// inside.
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

// notThere reports whether an error is exactly the refusal that means that something of these accounts does not exist.
// Nothing else means that: no time-out, no prose, no other refusal, nor this one about somebody else.
func notThere(err error, sel [4]byte, accounts ...common.Address) bool {
	r, ok := errors.AsType[*RevertError](err)
	if !ok || r.Selector != sel {
		return false
	}
	// Some gateways cut the arguments off; those that are there have to be right.
	return r.Args == nil || slices.EqualFunc(r.Args, accounts, func(arg any, account common.Address) bool { return arg == account })
}
