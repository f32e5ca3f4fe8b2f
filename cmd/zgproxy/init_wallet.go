package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func (s *setup) chooseWallet(ctx context.Context, official officialImport) error {
	switch {
	case s.flags.signer != "":
		return s.useSigner(ctx)
	case s.flags.keystore != "":
		return s.useKeystore(ctx, s.flags.keystore)
	case s.flags.importKey != "":
		return s.importKey(ctx, s.flags.importKey)
	case official.PrivateKey.IsSet():
		s.c.printf("The key of 0g-compute-cli is imported into an encrypted keystore. Its own file, with the bare key, stays as it is.\n")
		s.key, s.imports = wallet.Config{PrivateKey: official.PrivateKey.Reveal()}, true
		return s.newKeystore(ctx)
	case s.flags.official != "" && s.flags.yes && !s.flags.newWallet:
		return problem(codeNotFound, "Say which wallet: --import-key FILE, --keystore FILE, --signer URL or --new-wallet.",
			"0g-compute-cli has no key set up, and --import with --yes makes no other one in its place")
	case s.flags.newWallet || s.flags.yes:
		return s.newKeystore(ctx)
	}
	n, err := s.choose(ctx, "The wallet that pays. Use one of its own, with no more in it than you are ready to spend.",
		"make a new one", "import a private key", "use a keystore file", "let a signer sign (clef, Web3Signer), with a key in a hardware wallet or a cloud")
	if err != nil {
		return err
	}
	switch n {
	case 1:
		return s.newKeystore(ctx)
	case 2:
		from, err := s.ask(ctx, "Path to the key file, or - to type the key (hidden)", "-", "", func(a string) error {
			if looksLikeKey.MatchString(a) {
				return errors.New("that is the key itself, and was seen: give the path of a file, or -")
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.importKey(ctx, from)
	case 3:
		path, err := s.ask(ctx, "Keystore file", "", "", func(a string) error {
			_, err := wallet.Address(a)
			return err
		})
		if err != nil {
			return err
		}
		return s.useKeystore(ctx, path)
	}
	return s.useSigner(ctx)
}

func (s *setup) useSigner(ctx context.Context) error {
	var e config.SignerEndpoint
	url, err := s.ask(ctx, "URL of the signer, or the path of its socket", "", s.flags.signer, e.Decode)
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, "Address that it signs for", "", s.flags.signerAddress, func(a string) (err error) {
		s.address, err = parseProvider(a)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := wallet.Open(wallet.Config{Signer: url, SignerAddress: s.address}); err != nil { //nolint:contextcheck // a signer has a few seconds
		s.warn("the signer does not answer now (%v); zgproxy needs it to start", err)
	}
	s.set("SIGNER", url)
	s.set("SIGNER_ADDRESS", s.address.Hex())
	return nil
}

func (s *setup) useKeystore(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if s.address, err = wallet.Address(path); err != nil {
		return usageError{err}
	}
	s.keystore = path
	if s.flags.password != "" {
		if s.password, err = passwordFrom(s.flags.password); err != nil {
			return err
		}
	}
	return s.keepPassword(ctx)
}

func (s *setup) importKey(ctx context.Context, from string) error {
	if looksLikeKey.MatchString(from) {
		return usageError{errKeyInHistory}
	}
	key, err := keyToImport(ctx, s.c, from)
	if err != nil {
		return err
	}
	if w := private.Warning(from); w != "" {
		s.warn("%s", w)
	}
	if key.Keystore != "" {
		return s.useKeystore(ctx, from)
	}
	s.key, s.imports = key, true
	return s.newKeystore(ctx)
}

// newKeystore decides about a keystore that is made at the end.
func (s *setup) newKeystore(ctx context.Context) (err error) {
	f := keystoreFlags{password: s.flags.password}
	if s.keystore, err = f.path(); err != nil {
		return err
	}
	if _, err := os.Lstat(s.keystore); err == nil {
		if s.flags.newWallet || s.imports {
			return problem(codeExists, "Use it with --keystore "+s.keystore+", or move it away.", "there is a keystore already: %s", s.keystore)
		}
		s.c.printf("There is a keystore already, which is used: %s\n", s.keystore)
		return s.useKeystore(ctx, s.keystore)
	}
	if s.imports {
		w, err := wallet.Open(s.key) //nolint:contextcheck // nobody is asked
		if err != nil {
			return usageError{err}
		}
		s.address = w.Address()
		if err := refuseDevnetKey(s.address, s.chainID()); err != nil {
			return usageError{err}
		}
		s.c.printf("The wallet is %s.\n", s.address.Hex())
	}
	s.create = true
	s.c.printf("The key will be kept in %s, encrypted with a password, once you have confirmed it all.\n", s.keystore)
	if s.password, err = f.newPassword(ctx, s.c); err != nil {
		return err
	}
	return s.keepPassword(ctx)
}

func (s *setup) chainID() uint64 {
	n, _ := zg.NetworkNamed(s.report.Network)
	return n.ChainID
}

// keepPassword decides where the daemon takes the keystore's password from.
func (s *setup) keepPassword(ctx context.Context) error {
	s.set("KEYSTORE", s.keystore)
	keep := s.flags.keepPassword
	named, err := s.namedPassword() //nolint:contextcheck // nobody is asked
	if err != nil {
		return err
	}
	switch {
	case keep, named:
	case s.flags.yes:
	default:
		n, err := s.choose(ctx, "How should zgproxy get the password?",
			"ask each time, on the terminal", "read it from a file beside the keystore that only you can read, so that the daemon starts unattended")
		if err != nil {
			return err
		}
		keep = n == 2
	}
	if !keep {
		if !s.create && !named {
			s.password = ""  // that of another keystore is not needed here
			if s.flags.yes { // whoever was asked has said
				s.knownPassword() //nolint:contextcheck // nobody is asked
			}
		}
		return nil
	}
	typed := s.password == ""
	for !s.create || typed {
		if typed {
			if s.password, err = s.c.hidden(ctx, sprintf("Password of %s: ", s.keystore)); err != nil {
				return err
			}
			s.answered++
		}
		_, err := wallet.Open(wallet.Config{Keystore: s.keystore, KeystorePassword: s.password}) //nolint:contextcheck // nobody is asked
		if err == nil {
			break
		}
		if !typed || !errors.Is(err, wallet.ErrPassword) && s.password != "" {
			return usageError{err}
		}
		s.c.printf("%s\n", s.c.paint(styleWarn, "  That is not its password."))
	}
	s.flags.keepPassword = true
	s.set("KEYSTORE_PASSWORD", "@"+s.passwordFile())
	return nil
}

// namedPassword writes down the file that --password names: a daemon that starts unattended reads the password there as well.
// What a descriptor of this process has is gone with it.
func (s *setup) namedPassword() (bool, error) {
	path, isFile := strings.CutPrefix(s.flags.password, "@")
	if !isFile || s.flags.keepPassword {
		return false, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	if !s.create {
		if _, err := wallet.Open(wallet.Config{Keystore: s.keystore, KeystorePassword: s.password}); err != nil {
			return false, usageError{err}
		}
	}
	s.set("KEYSTORE_PASSWORD", "@"+path)
	return true, nil
}

// knownPassword takes the password of a keystore that was set up before from where it has come from so far: as the file that
// is replaced says, or out of the file beside the keystore. Without it every command after this one would fail.
func (s *setup) knownPassword() {
	if before := s.passwordBefore(); before != "" && s.takePassword(before) {
		return
	}
	if _, err := os.Lstat(s.passwordFile()); err == nil {
		s.takePassword("@" + s.passwordFile())
	}
}

// passwordBefore is how the file that is replaced gives the password of this very keystore.
func (s *setup) passwordBefore() string {
	before, err := config.Written(s.out)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		s.warn("what is replaced cannot be read: %v", err)
		return ""
	}
	was, err := os.Stat(before[config.Prefix+"KEYSTORE"])
	if err != nil { // it is another one, or none
		return ""
	}
	if is, err := os.Stat(s.keystore); err != nil || !os.SameFile(was, is) {
		return ""
	}
	return before[config.Prefix+"KEYSTORE_PASSWORD"]
}

// takePassword writes down where the password comes from, if it opens the keystore.
func (s *setup) takePassword(from string) bool {
	if strings.HasPrefix(from, "fd:") { // what that is shows when the daemon starts
		s.set("KEYSTORE_PASSWORD", from)
		return true
	}
	var p config.Password
	err := p.Decode(from)
	if err == nil {
		_, err = wallet.Open(wallet.Config{Keystore: s.keystore, KeystorePassword: p.Reveal()})
	}
	if err != nil {
		where := "the password that " + s.out + " has"
		if p, isFile := strings.CutPrefix(from, "@"); isFile {
			where = "the password in " + p
		}
		s.warn("%s does not open the keystore, so it is asked for: %v", where, err)
		return false
	}
	if !strings.HasPrefix(from, "@") {
		from = `"` + from + `"` // blanks and quotes around it are part of it
	}
	s.set("KEYSTORE_PASSWORD", from)
	return true
}

func (s *setup) passwordFile() string { return s.keystore + ".password" }
