package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/provider"
)

// attestationReport is the JSON of "zgproxy provider report".
type attestationReport struct {
	Network   string        `json:"network"`
	Provider  admin.Address `json:"provider"`
	URL       string        `json:"url"`
	Genuine   string        `json:"genuine"` // not_checked: nobody has followed the quotes' signatures to the maker of the hardware
	Documents []evidence    `json:"documents"`
}

// evidence is one attestation report that a provider publishes.
type evidence struct {
	Kind   string        `json:"kind"` // provider: of its own enclave; model: of the one in which the model runs
	File   string        `json:"file,omitempty"`
	Bytes  int           `json:"bytes"`
	SHA256 string        `json:"sha256,omitempty"`
	Named  admin.Address `json:"named"`  // the signer in the quote; all zeros: none could be read
	Signer admin.Address `json:"signer"` // the signer on chain
	Fits   bool          `json:"fits"`   // they are the same
	Error  string        `json:"error,omitempty"`
}

func providerReportCommand() *cobra.Command {
	var dir string
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:     "report PROVIDER",
		Aliases: []string{"download-report"},
		Short:   "Download a provider's attestation reports, and see which signer they name",
		Long: `Downloads what a provider publishes about its enclave, and about the one in which the model runs where
that is another one, into files. Then it compares the signer that each quote names with the one on
chain. The status is 1 when they differ, and when a report is missing or cannot be read.

It does not check that a quote is genuine: anybody can write one that names the right signer. For that
give the files to a verifier of TDX quotes.`,
		Example: `  zgproxy provider report 0xa48f01287233509FD694a22Bf840225062E67836 --dir reports
  zgproxy provider report 0xa48f01287233509FD694a22Bf840225062E67836 --json | jq '.documents[] | {file, fits}'`,
		Args: want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		return lookAt(cmd.Context(), args, func(l look) error {
			p := &l.chosen[0]
			out := attestationReport{Network: l.all.Network, Provider: p.Provider, URL: p.URL, Genuine: "not_checked", Documents: []evidence{}}
			fits := true
			for _, kind := range []string{"provider", "model"} {
				e, body := askEvidence(cmd.Context(), l.peers, p, kind)
				if e == nil {
					continue
				}
				if body != nil {
					e.File = filepath.Join(dir, kind+"-"+p.Provider.Hex()+".json")
					err := private.Write(e.File, body, force)
					if errors.Is(err, fs.ErrExist) {
						return problem(codeExists, "Say another --dir, or --force.", "%s is there already", e.File)
					}
					if err != nil {
						return err
					}
				}
				out.Documents = append(out.Documents, *e)
				fits = fits && e.Fits
			}
			if asJSON {
				if err := writeJSON(cmd.OutOrStdout(), out); err != nil {
					return err
				}
			} else {
				printEvidence(consoleOf(cmd), &out)
			}
			if !fits {
				return &failedError{problem: problem(codeReport, "", "the attestation reports do not all name the signer that is on chain"), told: asJSON}
			}
			return nil
		})
	})
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "the `DIRECTORY` to write to")
	f.BoolVar(&force, "force", false, "overwrite files")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// askEvidence fetches one report; its failure is part of it. nil: there is none, and nobody says that there should be.
func askEvidence(ctx context.Context, peers *provider.Client, p *providerReport, kind string) (*evidence, []byte) {
	e := &evidence{Kind: kind, Signer: p.Signer}
	var body []byte
	var err error
	if kind == "model" {
		apart := p.ModelSigner.Address != (common.Address{})
		if apart {
			e.Signer = p.ModelSigner
		}
		body, err = peers.ModelReport(ctx, p.URL, p.Model)
		if errors.Is(err, provider.ErrNotSupported) && !apart {
			return nil, nil
		}
	} else {
		body, err = peers.Quote(ctx, p.URL)
	}
	if err != nil {
		e.Error = oneLine(err.Error())
		return e, nil
	}
	digest := sha256.Sum256(body)
	e.Bytes, e.SHA256 = len(body), hex.EncodeToString(digest[:])
	if e.Named.Address, err = signerIn(body); err != nil {
		e.Error = oneLine(err.Error())
	}
	e.Fits = err == nil && e.Named.Address == e.Signer.Address
	return e, body
}

// signerIn reads the quote in a report. Reports of models have it under another name, and perhaps one of the provider's beside.
func signerIn(report []byte) (common.Address, error) {
	var r struct {
		Quote      string `json:"quote"`
		IntelQuote string `json:"intel_quote"`
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return common.Address{}, fmt.Errorf("it holds no quote that can be read: %w", err)
	}
	if r.IntelQuote != "" {
		r.Quote = r.IntelQuote
	}
	quote, err := hex.DecodeString(strings.TrimPrefix(r.Quote, "0x"))
	if err != nil {
		return common.Address{}, fmt.Errorf("its quote is not in hexadecimal: %w", err)
	}
	return attest.QuotedSigner(quote)
}

func printEvidence(c console, r *attestationReport) {
	var t table
	for i := range r.Documents {
		e := &r.Documents[i]
		t.row("report", map[string]string{"provider": "of the provider's enclave", "model": "of the model's enclave"}[e.Kind])
		if e.File != "" {
			t.row("  file", fmt.Sprintf("%s, %d bytes", oneLine(e.File), e.Bytes))
			t.row("  SHA-256", e.SHA256)
		}
		switch {
		case e.Error != "":
			t.row("  signer", c.paint(styleBad, e.Error))
		case e.Fits:
			t.row("  signer", sprintf("%s, %s", e.Named.Hex(), c.paint(styleGood, "as on chain")))
		default:
			t.row("  signer", sprintf("%s, %s", e.Named.Hex(), c.paint(styleBad, "where the chain has "+e.Signer.Hex())))
		}
	}
	c.printf("%s\nWhether the quotes are genuine was not checked: anybody can write one that names the right signer.\n", &t)
}
