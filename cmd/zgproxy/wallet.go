package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/wallet"
)

func walletCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wallet",
		Short: "Make, import and look at the wallet that pays",
		Long: `The wallet is one key. zgproxy keeps it in an encrypted keystore file (JSON, version 3), which other
Ethereum programs read too; or a hardware wallet, a key store in a cloud or clef keeps it, and signs
(ZGPROXY_SIGNER). A key is never an argument of a command: arguments end up in the shell's history.

Use a wallet of its own that holds no more than you are ready to spend.`,
		Example: `  zgproxy wallet new
  zgproxy wallet import key.txt
  zgproxy wallet balance`,
	}
	cmd.AddCommand(walletNewCommand(), walletImportCommand(), walletExportCommand(), walletAddressCommand(), walletBalanceCommand(), walletAcceptCommand())
	return cmd
}

// keystoreFlags say where a keystore goes, and what opens it.
type keystoreFlags struct {
	out, password string
	light, json   bool
}

func (f *keystoreFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.out, "out", "", "the keystore `FILE` to write (default: wallet.json in the configuration directory)")
	cmd.Flags().StringVar(&f.password, "password", "", "where its password comes from: @`FILE`, or fd:N for a file descriptor; else it is asked for")
	cmd.Flags().BoolVar(&f.light, "light", false, "encrypt with a tenth of the work, for small machines")
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON object")
}

func (f *keystoreFlags) effort() wallet.Effort {
	if f.light {
		return wallet.Light
	}
	return wallet.Standard
}

// path is where the keystore goes.
func (f *keystoreFlags) path() (string, error) {
	if f.out != "" {
		return filepath.Abs(f.out)
	}
	dir, err := config.Dir()
	if err != nil {
		return "", fmt.Errorf("%w; say --out FILE", err)
	}
	return filepath.Join(dir, "wallet.json"), nil
}

// newPassword is the password for a new keystore: from where the flag says, or typed twice.
func (f *keystoreFlags) newPassword(ctx context.Context, c console) (string, error) {
	if f.password != "" {
		return passwordFrom(f.password)
	}
	if !c.asks {
		return "", usageError{errors.New("a keystore needs a password: say --password @FILE, or --password fd:N; without a terminal it cannot be asked for")}
	}
	return askNewPassword(ctx, c)
}

// passwordFrom reads a password from a file or a descriptor. It is never the argument itself.
func passwordFrom(source string) (string, error) {
	if !strings.HasPrefix(source, "@") && !strings.HasPrefix(source, "fd:") {
		return "", usageError{errors.New("--password takes @FILE or fd:N, and not the password itself: arguments end up in the shell's history")}
	}
	var p config.Password
	if err := p.Decode(source); err != nil {
		return "", usageError{fmt.Errorf("--password: %w", err)}
	}
	return p.Reveal(), nil
}

// shortPassword is what is warned about.
const shortPassword = 10

func askNewPassword(ctx context.Context, c console) (string, error) {
	for {
		first, err := c.hidden(ctx, "New password for the keystore: ")
		if err != nil {
			return "", interrupted(err)
		}
		if first == "" {
			c.printf("It cannot be empty.\n")
			continue
		}
		if len(first) < shortPassword {
			c.printf("That is short: whoever gets the file can guess it.\n")
		}
		second, err := c.hidden(ctx, "Repeat password: ")
		if err != nil {
			return "", interrupted(err)
		}
		if first == second {
			return first, nil
		}
		c.printf("The two are different. Once more.\n")
	}
}

// interrupted is what the end of the answers means.
func interrupted(err error) error {
	if _, said := errors.AsType[*admin.CommandError](err); !said && (errors.Is(err, io.EOF) || errors.Is(err, context.Canceled)) {
		return problem(codeInterrupted, "", "interrupted; nothing was written")
	}
	return err
}

// exportReport is the JSON of "zgproxy wallet export".
type exportReport struct {
	Out string `json:"out"` // the file with the key
}

// walletReport is the JSON of the commands that make a keystore, and of "zgproxy wallet address".
type walletReport struct {
	Address  admin.Address `json:"address"`
	Keystore string        `json:"keystore,omitempty"` // absent: the key is elsewhere
}

func (f *keystoreFlags) told(c console, r walletReport, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return problem(codeExists, "Say another --out, or move that one away. A keystore is never overwritten.", "%s is there already", r.Keystore)
	}
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(c.out, r)
	}
	c.printf("wallet    %s\nkeystore  %s\n\nWithout the file and its password, what is in the wallet is lost: keep copies of both.\n", r.Address.Hex(), r.Keystore)
	c.printf("To use it: zgproxy init --keystore %s, or set ZGPROXY_KEYSTORE.\n", r.Keystore)
	return nil
}

func walletNewCommand() *cobra.Command {
	var f keystoreFlags
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a new wallet, in an encrypted keystore file",
		Long: `Makes a random key and writes it, encrypted with a password, to a keystore file that only you can read.
A file that is there already is never overwritten.`,
		Example: `  zgproxy wallet new
  zgproxy wallet new --out cold.json --password @password.txt --json`,
		Args: want(cobra.NoArgs),
	}
	f.add(cmd)
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, _ []string) error {
		c := consoleOf(cmd)
		path, err := f.path()
		if err != nil {
			return err
		}
		r := walletReport{Keystore: path}
		if _, err := os.Lstat(path); err == nil { // before anybody types a password
			return f.told(c, r, fs.ErrExist)
		}
		password, err := f.newPassword(cmd.Context(), c)
		if err != nil {
			return err
		}
		r.Address.Address, err = wallet.New(path, password, f.effort())
		return f.told(c, r, err)
	})
	return cmd
}

// looksLikeKey is what must not be an argument.
var looksLikeKey = regexp.MustCompile(`^(0[xX])?[0-9a-fA-F]{64}$`)

func walletImportCommand() *cobra.Command {
	var f keystoreFlags
	var from string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Put a key that you have into an encrypted keystore file",
		Long: `Reads a private key (64 hex digits), or another keystore, from a file, and writes it to a keystore file
that only you can read. FILE is - for the standard input; on a terminal you type the key, hidden.
The file it comes from is left as it is: delete it yourself if it holds the bare key.`,
		Example: `  zgproxy wallet import key.txt
  pass show zgproxy/key | zgproxy wallet import - --password fd:3 3<password.txt
  zgproxy wallet import geth-keystore.json --from-password @old.txt`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&from, "from-password", "", "where the password of a keystore that is imported comes from: @`FILE` or fd:N; else it is asked for")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) error {
		c := consoleOf(cmd)
		path, err := f.path()
		if err != nil {
			return err
		}
		r := walletReport{Keystore: path}
		if looksLikeKey.MatchString(args[0]) {
			return usageError{errKeyInHistory}
		}
		if _, err := os.Lstat(path); err == nil {
			return f.told(c, r, fs.ErrExist)
		}
		key, err := keyToImport(cmd.Context(), c, args[0])
		if err != nil {
			return err
		}
		if w := private.Warning(args[0]); w != "" {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Note: %s\n", w) // advice
		}
		if from != "" {
			if key.KeystorePassword, err = passwordFrom(from); err != nil {
				return err
			}
		}
		if key.Keystore != "" { // its password first, and then the new one
			err := withKey(cmd.Context(), key, func(k wallet.Config) error {
				key = k
				return wallet.Export(k, io.Discard)
			})
			if err != nil {
				return usageError{err}
			}
		}
		password, err := f.newPassword(cmd.Context(), c)
		if err != nil {
			return err
		}
		r.Address.Address, err = wallet.Import(path, password, f.effort(), key)
		return f.told(c, r, err)
	})
	return cmd
}

var errKeyInHistory = errors.New("that looks like the key itself, and is now in your shell's history: remove it there. Give the path of a file, or - to type it (hidden)")

// keyToImport reads what is to be imported: a bare key, or the path of a keystore.
func keyToImport(ctx context.Context, c console, from string) (wallet.Config, error) {
	if from == "-" && c.asks {
		text, err := c.hidden(ctx, "Private key (64 hex digits, not shown): ")
		if err != nil {
			return wallet.Config{}, interrupted(err)
		}
		return bareKey(text)
	}
	in := c.in
	if from != "-" {
		f, err := os.Open(from) //nolint:gosec // the owner names it
		if err != nil {
			return wallet.Config{}, usageError{err}
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 64<<10))
	defer clear(text)
	if err != nil {
		return wallet.Config{}, err
	}
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		if from == "-" {
			return wallet.Config{}, usageError{errors.New("a keystore is imported from a file, not from the standard input")}
		}
		return wallet.Config{Keystore: from}, nil
	}
	return bareKey(string(text))
}

// bareKey is a key as it was given. Nothing is none: whoever meant to bring a key must not end up with another wallet.
func bareKey(text string) (wallet.Config, error) {
	if strings.TrimSpace(text) == "" {
		return wallet.Config{}, usageError{errors.New("there is no key: nothing was given where 64 hex digits belong")}
	}
	return wallet.Config{PrivateKey: text}, nil
}

func walletExportCommand() *cobra.Command {
	var out string
	var show, yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the bare private key to a file, or show it",
		Long: `Writes the configured wallet's private key, 64 hex digits, to a file that only you can read (--out), or
to the terminal (--show). Whoever sees it can take everything in the wallet. A signer gives none out.`,
		Example: `  zgproxy wallet export --out key.txt
  zgproxy wallet export --show`,
		Args: want(cobra.NoArgs),
	}
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write, with mode 0600")
	cmd.Flags().BoolVar(&show, "show", false, "on the standard output instead")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object, without the key; with --out")
	cmd.MarkFlagsOneRequired("out", "show")
	cmd.MarkFlagsMutuallyExclusive("out", "show")
	cmd.MarkFlagsMutuallyExclusive("json", "show")
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) error {
		ctx, c := cmd.Context(), consoleOf(cmd)
		cfg, err := configured()
		if err != nil {
			return err
		}
		switch {
		case yes:
		case !c.asks || asJSON:
			return problem(codeNotConfirmed, "Repeat it with --yes.", "there is nobody to ask, so the key was not exported")
		case !c.ask(ctx, "Whoever sees the key can take everything in the wallet. Go ahead?"):
			return problem(codeNotConfirmed, "", "the key was not exported")
		}
		var text strings.Builder
		err = withKey(ctx, keyOf(cfg), func(k wallet.Config) error {
			text.Reset()
			return wallet.Export(k, &text)
		})
		if err != nil {
			return usageError{err}
		}
		if show {
			_, err := io.WriteString(c.out, text.String())
			return err
		}
		err = private.Write(out, []byte(text.String()), false)
		if errors.Is(err, fs.ErrExist) {
			return problem(codeExists, "Say another --out, or move that one away.", "%s is there already", out)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(c.out, exportReport{out})
		}
		c.printf("The key is in %s. Only you can read it; delete it when it is no longer needed.\n", out)
		return nil
	})
	return cmd
}
