package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/wallet"
)

// confirm shows what was decided.
func (s *setup) confirm(ctx context.Context, _ officialImport) error {
	s.c.printf("%s\n", s.c.paint(styleHead, "To "+s.out+":"))
	for _, kv := range s.env {
		shown := kv[1]
		switch kv[0] {
		case config.Prefix + "RPC_URL":
			var e config.Endpoint
			_ = e.Decode(kv[1]) // it has been read before
			shown = e.String()
		case config.Prefix + "SIGNER":
			var e config.SignerEndpoint
			_ = e.Decode(kv[1]) // so has this
			shown = e.String()
		case config.Prefix + "API_KEYS":
			shown = "(a new key)"
		case config.Prefix + "KEYSTORE_PASSWORD":
			if !strings.HasPrefix(shown, "@") && !strings.HasPrefix(shown, "fd:") {
				shown = "(as before)"
			}
		}
		s.c.printf("  %s=%s\n", kv[0], shown)
	}
	if s.flags.yes {
		return nil
	}
	answer, err := s.ask(ctx, "Write it? [Y/n]", "", "", isYesOrNo)
	if err == nil && answer != "" && !saysYes(answer) {
		err = problem(codeNotConfirmed, "", "nothing was written")
	}
	return err
}

// write writes what was decided.
func (s *setup) write(ctx context.Context) error {
	var text strings.Builder
	text.WriteString("# Written by zgproxy init. zgproxy config shows what is in force; docs/config.md has every variable.\n")
	for _, kv := range s.env {
		fmt.Fprintf(&text, "%s=%s\n", kv[0], kv[1])
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.writeKey(); err != nil {
		return err
	}
	if s.flags.force {
		if _, err := os.Lstat(s.out); err == nil {
			if s.report.Backup, err = keepCopy(s.out, time.Now()); err != nil {
				return fmt.Errorf("keep a copy of %s: %w", s.out, err)
			}
		}
	}
	if err := private.Write(s.out, []byte(text.String()), s.flags.force); err != nil {
		return err
	}
	s.report.EnvFile, s.report.Wallet, s.report.Keystore = s.out, admin.Address{Address: s.address}, s.keystore
	if s.report.Providers == nil {
		s.report.Providers = []admin.Address{}
	}
	if s.report.Warnings == nil {
		s.report.Warnings = []string{}
	}
	return s.check()
}

// writeKey makes the keystore, and the file with its password where one is wanted.
func (s *setup) writeKey() (err error) {
	if s.create {
		effort := wallet.Standard
		if s.flags.light {
			effort = wallet.Light
		}
		if s.imports {
			_, err = wallet.Import(s.keystore, s.password, effort, s.key)
		} else {
			s.address, err = wallet.New(s.keystore, s.password, effort)
		}
		if err != nil {
			return err
		}
	}
	if s.flags.keepPassword && s.keystore != "" {
		err = private.Write(s.passwordFile(), []byte(s.password+"\n"), true)
	}
	return err
}

// check reads what was written as every command will, and says what to do next.
func (s *setup) check() error {
	if err := os.Setenv(config.EnvFileVariable, s.out); err != nil {
		return err
	}
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return fmt.Errorf("%s was written, and cannot be used: %w", s.out, err)
	}
	s.c.printf("\n%s\n", s.c.paint(styleGood, "Done."))
	s.c.printf("The wallet is %s.\n", s.address.Hex())
	if s.create {
		s.c.printf("Without %s and its password, what is in the wallet is lost: keep copies of both.\n", s.keystore)
	}
	s.tellKey()
	s.tellFunding(&cfg)
	s.c.printf("\nNext:\n")
	var t table
	if standard, _ := config.EnvFile(); standard != s.out {
		t.row("  export ZGPROXY_ENV_FILE="+s.out, "so that the other commands find it")
	}
	if len(cfg.Providers) == 0 {
		t.row("  zgproxy provider list --all", "then put those you choose into ZGPROXY_PROVIDERS in "+s.out)
	}
	t.row("  zgproxy doctor", "looks whether everything is right")
	t.row("  zgproxy chat", "a conversation on this terminal")
	t.row("  zgproxy serve", "the endpoint for your programs, at http://"+cfg.ListenAddress()+"/v1")
	s.c.show(&t)
	return nil
}

// keepCopy gives a file that is about to be replaced a second name, of the time, and a number where two are of one second.
func keepCopy(path string, now time.Time) (string, error) {
	name := path + ".bak-" + now.UTC().Format("20060102T150405")
	for n := 1; ; n++ {
		backup := name
		if n > 1 {
			backup += fmt.Sprintf("-%d", n)
		}
		if err := os.Link(path, backup); n == 100 || !errors.Is(err, fs.ErrExist) {
			return backup, err
		}
	}
}
