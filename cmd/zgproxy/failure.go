package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// The exit statuses. exitUsage is for a command line or configuration that cannot work.
const (
	exitFailure      = 1
	exitUsage        = 2
	exitRefused      = 3 // by a limit, or by the contract's rules
	exitNotConfirmed = 4
)

// usageError marks errors that another try with the same input cannot cure.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// The codes of problems. They are part of what --json promises.
const (
	codeFailed        = "failed"
	codeUsage         = "usage"
	codeWrongNetwork  = "wrong_network"
	codeNotConfirmed  = "not_confirmed"
	codeInterrupted   = "interrupted"
	codeRPC           = "rpc_unreachable"
	codeInUse         = "data_dir_in_use"
	codeNoDaemon      = "no_daemon"
	codeForeignNonce  = "foreign_nonce"
	codeNotFinal      = "superseded"
	codeContract      = "contract_refused"
	codeReverted      = "reverted"
	codeFeeTooHigh    = "fee_too_high"
	codeChanged       = "changed_meanwhile"
	codeBelowMinimum  = "below_minimum"
	codeNotEnough     = "not_enough"
	codeNoLedger      = "no_ledger"
	codeNoAccount     = "no_account"
	codeNotRegistered = "not_registered"
	codeNothing       = "nothing_to_move"
	codeRefunds       = "too_many_refunds"
	codeNotFound      = "not_found"
	codeReceipts      = "receipt_problems"
)

// exitStatus is the process's for a problem with this code.
func exitStatus(code string) int {
	switch code {
	case codeUsage, codeWrongNetwork:
		return exitUsage
	case codeNotConfirmed:
		return exitNotConfirmed
	case codeContract, codeReverted, codeFeeTooHigh, codeBelowMinimum, codeNotEnough, codeNoLedger, codeNoAccount, codeNotRegistered, codeNothing, codeRefunds:
		return exitRefused
	}
	return exitFailure
}

func problem(code, hint, format string, args ...any) *admin.CommandError {
	return &admin.CommandError{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

const (
	hintResume    = "What is signed is recorded: the daemon, or the next command that moves money, sees it through. Nothing is paid twice."
	hintLookAgain = "Look with zgproxy account, and try again."
	hintRPC       = "Try again; if it lasts, check ZGPROXY_RPC_URL."
)

// explain says what an error means, with a code that scripts can rely on.
func explain(err error) *admin.CommandError {
	if p, ok := errors.AsType[*admin.CommandError](err); ok {
		return p
	}
	if r, ok := errors.AsType[*chain.RevertError](err); ok {
		bare := *r
		bare.Hint = ""
		return &admin.CommandError{Code: codeContract, Message: bare.Error(), Hint: r.Hint}
	}
	p := &admin.CommandError{Code: codeFailed, Message: err.Error()}
	switch {
	case errors.As(err, &usageError{}), errors.Is(err, wallet.ErrKey):
		p.Code = codeUsage
	case errors.Is(err, chain.ErrWrongNetwork):
		p.Code = codeWrongNetwork
	case errors.Is(err, zg.ErrInsufficientFunds):
		p.Code, p.Hint = codeNotEnough, "Send 0G to the wallet, or move less."
	case errors.Is(err, zg.ErrDecidedOtherwise), errors.Is(err, billing.ErrOtherSuspension):
		p.Code, p.Hint = codeChanged, hintLookAgain
	case errors.Is(err, chain.ErrFeeTooHigh):
		p.Code, p.Hint = codeFeeTooHigh, "Wait until the network is less busy, or raise ZGPROXY_MAX_FEE_PER_GAS."
	case errors.Is(err, billing.ErrForeignNonce):
		p.Code, p.Hint = codeForeignNonce, "Somebody else sends from this wallet. Find out who before anything else is sent."
	case errors.Is(err, billing.ErrLocked):
		p.Code = codeInUse
	case errors.Is(err, context.Canceled):
		p.Code, p.Message = codeInterrupted, "interrupted"
	case errors.Is(err, chain.ErrRPC), errors.Is(err, context.DeadlineExceeded):
		p.Code, p.Hint = codeRPC, hintRPC
	}
	return p
}

// failedError ends the program with the status of a problem. told: it was written already, as JSON.
type failedError struct {
	problem *admin.CommandError
	told    bool
}

func (e *failedError) Error() string {
	if e.problem.Hint == "" {
		return e.problem.Message
	}
	return e.problem.Message + "\n" + e.problem.Hint
}

// explained wraps what a command does, so that its error reads well: for people, or with --json as the one object on the
// standard output.
func explained(asJSON *bool, f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if err == nil {
			return nil
		}
		if failed, ok := errors.AsType[*failedError](err); ok {
			return failed // it has been told
		}
		failed := &failedError{problem: explain(err)}
		if *asJSON {
			failed.told = writeJSON(cmd.OutOrStdout(), map[string]*admin.CommandError{"error": failed.problem}) == nil
		}
		return failed
	}
}

// exitWith tells what went wrong and returns the status.
func exitWith(err error, stderr io.Writer) int {
	failed, ok := errors.AsType[*failedError](err)
	if !ok || !failed.told {
		_, _ = fmt.Fprintf(stderr, "zgproxy: %v\n", err) // stderr gone: nobody to tell
	}
	switch {
	case ok:
		return exitStatus(failed.problem.Code)
	case errors.As(err, &usageError{}):
		return exitUsage
	}
	return exitFailure
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// want turns cobra's complaint about the arguments into one that says so.
func want(f cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")}
		}
		return nil
	}
}
