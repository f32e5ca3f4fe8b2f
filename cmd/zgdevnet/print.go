package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// report is the network as --json prints it. Prices are in neuron per unit.
type report struct {
	ChainID    uint64           `json:"chain_id"`
	RPCURL     string           `json:"rpc_url"`
	Ledger     string           `json:"ledger_contract"`
	Inference  string           `json:"inference_contract"`
	Wallet     string           `json:"wallet"`
	PrivateKey string           `json:"private_key"`
	Providers  []reportProvider `json:"providers"`
	Env        []string         `json:"env"`
}

type reportProvider struct {
	Address     string         `json:"address"`
	Type        zg.ServiceType `json:"type"`
	Model       string         `json:"model"`
	InputPrice  zg.Neuron      `json:"input_price"`
	OutputPrice zg.Neuron      `json:"output_price"`
	URL         string         `json:"url"`
	TEESigner   string         `json:"tee_signer"`
}

func describe(n *devnet.Network) report {
	r := report{
		ChainID: n.Chain.ChainID(), RPCURL: n.Chain.URL(), Ledger: n.Chain.Ledger().Hex(), Inference: n.Chain.Inference().Hex(),
		Wallet: devnet.Wallet().Hex(), PrivateKey: devnet.WalletKeyHex, Env: n.Env(),
	}
	for _, p := range n.Providers {
		r.Providers = append(r.Providers, reportProvider{
			Address: p.Address().Hex(), Type: p.Type(), Model: p.Model(), InputPrice: p.Price().Input, OutputPrice: p.Price().Output,
			URL: p.URL(), TEESigner: p.TEESigner().Hex(),
		})
	}
	return r
}

func printJSON(w io.Writer, n *devnet.Network) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(describe(n)) //nolint:gosec // the key is public
}

func printText(w io.Writer, n *devnet.Network, o options) error {
	var b bytes.Buffer
	r := describe(n)
	_, _ = fmt.Fprintf(&b, `A 0G Compute Network runs on this machine. Its keys are public and its money is worth nothing.

Chain      %s  (chain id %d, minimums of %s)
Contracts  ledger %s, inference %s
Wallet     %s  (private key %s)

`, r.RPCURL, r.ChainID, o.minimums, r.Ledger, r.Inference, r.Wallet, r.PrivateKey) // a buffer takes everything, here and below
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROVIDER\tTYPE\tMODEL\tPRICE IN 0G\tURL")
	for _, p := range n.Providers {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.Address(), p.Type(), p.Model(), price(p), p.URL())
	}
	_ = table.Flush() // into the buffer
	if o.demo == "" { // the demo has a file with them
		_, _ = fmt.Fprintln(&b)
		for _, e := range r.Env {
			_, _ = fmt.Fprintln(&b, "export "+e)
		}
		_, _ = fmt.Fprintln(&b, "\nPaste the export lines into another terminal and run: zgproxy serve\nCtrl-C ends the network.")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// price is what a provider charges, in the unit its customers count in.
func price(p *simprovider.Provider) string {
	const million = 1_000_000
	switch v := p.Price(); p.Type() {
	case zg.TextToImage, zg.ImageEditing:
		return v.Output.Og() + " per picture"
	case zg.SpeechToText:
		return v.Input.Og() + " per second"
	case zg.AudioGeneration:
		return v.Output.Og() + " per second"
	case zg.VideoGeneration:
		_, high, per := v.VideoPrice()
		return high.Og() + " " + per
	case zg.Embedding:
		return v.Input.Mul(million).Og() + " per million tokens"
	default:
		return fmt.Sprintf("%s in, %s out per million tokens", v.Input.Mul(million).Og(), v.Output.Mul(million).Og())
	}
}
