package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	codeFailed        = "failed"            // anything else; the message says what
	codeUsage         = "usage"             // the command line or the configuration cannot work
	codeWrongNetwork  = "wrong_network"     // the endpoint or the contracts belong to another network
	codeNotConfirmed  = "not_confirmed"     // nobody said yes, so nothing was done
	codeInterrupted   = "interrupted"       // ended by a signal; what is signed is seen through later
	codeRPC           = "rpc_unreachable"   // the chain cannot be asked
	codeInUse         = "data_dir_in_use"   // another process uses the data directory
	codeDamaged       = "store_damaged"     // the spend store's file is not what was written to it
	codeNoDaemon      = "no_daemon"         // it takes a running daemon
	codeForeignNonce  = "foreign_nonce"     // somebody else sends from this wallet
	codeOthersWait    = "others_wait"       // transactions of the wallet wait to be mined that were not made here
	codeNotFinal      = "superseded"        // another transaction took its nonce
	codeUnread        = "unread"            // what it takes cannot be read from the contracts
	codeContract      = "contract_refused"  // the contract would refuse it, so it was not signed
	codeReverted      = "reverted"          // it was mined and the contract refused it
	codeFeeTooHigh    = "fee_too_high"      // the network asks for more than the highest fees that are allowed
	codeChanged       = "changed_meanwhile" // it is not as it was shown any more
	codeBelowMinimum  = "below_minimum"     // less than the contract's minimum
	codeNotEnough     = "not_enough"        // there is not so much
	codeNoLedger      = "no_ledger"         // the wallet has no ledger
	codeNoAccount     = "no_account"        // the wallet has no sub-account there
	codeNotRegistered = "not_registered"    // that address is not a registered provider
	codeNothing       = "nothing_to_move"   // there is nothing to move, or not yet
	codeRefunds       = "too_many_refunds"  // the contract holds as many refunds as it takes
	codeNotFound      = "not_found"         // nothing is meant by that name, or more than one thing
	codeReceipts      = "receipt_problems"  // receipts are not what they say
	codeUnwell        = "checks_failed"     // doctor found something that fails
	codeTokenID       = "token_id"          // a token id is taken, revoked or out of range
	codeNotEmpty      = "not_empty"         // there is still money in the sub-account
	codeUnhealthy     = "unhealthy"         // a provider does not do well
	codeReport        = "report_differs"    // an attestation report is missing, or names another signer than the chain
	codeExists        = "exists_already"    // a file is there already and is not overwritten
	codeOutput        = "output_failed"     // the command did its work, and what it says could not be written
	codeAPI           = "api_error"         // a request was refused, or its answer cannot be used
)

// exitStatus is the process's for a problem with this code.
func exitStatus(code string) int {
	switch code {
	case codeUsage, codeWrongNetwork:
		return exitUsage
	case codeNotConfirmed:
		return exitNotConfirmed
	case codeContract, codeReverted, codeFeeTooHigh, codeBelowMinimum, codeNotEnough, codeNoLedger, codeNoAccount, codeNotRegistered, codeNothing, codeRefunds, codeTokenID, codeNotEmpty:
		return exitRefused
	}
	return exitFailure
}

func problem(code, hint, format string, args ...any) *admin.CommandError {
	return &admin.CommandError{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

const (
	hintResume     = "What is signed is recorded: the daemon, or the next command that moves money, sees it through. Nothing is paid twice."
	hintLookAgain  = "Look with zgproxy account, and try again."
	hintForeign    = "Somebody else sends from this wallet. See what with zgproxy wallet accept, and accept it if it is yours; nothing is topped up meanwhile."
	hintOthersWait = "Wait until they are mined, or repeat this with --wait, which does that. Nothing was signed."
	hintRPC        = "Try again; if it lasts, check ZGPROXY_RPC_URL."
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
	case errors.Is(err, billing.ErrTokenTaken), errors.Is(err, billing.ErrNoTokenID):
		p.Code, p.Hint = codeTokenID, "See which there are: zgproxy token list"
	case errors.Is(err, zg.ErrInsufficientFunds):
		p.Code, p.Hint = codeNotEnough, "Send 0G to the wallet, or move less."
	case errors.Is(err, zg.ErrDecidedOtherwise), errors.Is(err, zg.ErrMoreGas), errors.Is(err, billing.ErrOtherSuspension), errors.Is(err, billing.ErrOtherForeign):
		p.Code, p.Hint = codeChanged, hintLookAgain
	case errors.Is(err, chain.ErrFeeTooHigh):
		p.Code, p.Hint = codeFeeTooHigh, "Wait until the network is less busy, or raise ZGPROXY_MAX_FEE_PER_GAS."
	case errors.Is(err, billing.ErrOthersWait):
		p.Code, p.Hint = codeOthersWait, hintOthersWait
	case errors.Is(err, billing.ErrForeignNonce):
		p.Code, p.Hint = codeForeignNonce, hintForeign
	case errors.Is(err, billing.ErrLocked):
		p.Code = codeInUse
	case errors.Is(err, billing.ErrDamaged):
		p.Code = codeDamaged // the error says the way back
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
		_, _ = fmt.Fprintf(stderr, "zgproxy: %s\n", zg.Lines(err.Error())) // stderr gone: nobody to tell
	}
	switch {
	case ok:
		return exitStatus(failed.problem.Code)
	case errors.As(err, &usageError{}):
		return exitUsage
	}
	return exitFailure
}

// unwritten is what a command ends with that did what it was asked for and could not say so; nil: it could.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return &failedError{problem: problem(codeOutput, "The command did what it was asked for: look before you repeat one that moves money.", "the output could not be written: %v", err)}
}

// writeJSON writes a value for people and programs: nothing in it moves the cursor of a terminal, and nothing is lost for that.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(zg.EscapeJSON(b.Bytes()))
	return err
}

// isCommandLine reports whether an error is about the command line: of ours by its type, of the library by its words.
func isCommandLine(err error) bool {
	if _, told := errors.AsType[*failedError](err); told {
		return false
	}
	if errors.As(err, &usageError{}) {
		return true
	}
	for _, words := range []string{"unknown command", "required flag", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), words) {
			return true
		}
	}
	return false
}

// noEmptyFlags refuses a flag that is given with nothing behind it, as by a variable of the shell that is not set: to be taken
// for one that is not given it would choose what nobody has chosen, such as a new wallet or any provider.
func noEmptyFlags(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.Type() == "string" && strings.TrimSpace(f.Value.String()) == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = slices.ContainsFunc(list.GetSlice(), func(s string) bool { return strings.TrimSpace(s) == "" })
		}
		if empty && err == nil {
			err = usageError{fmt.Errorf("--%s is empty: give it a value, or leave it out", f.Name)}
		}
	})
	return err
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
