// Package devnet is a whole 0G Compute Network on one machine: a simulated chain and a few simulated providers on
// loopback ports, and a wallet with money in it.
//
// It is for tests, demonstrations and benchmarks. It never leaves the machine and never holds anything of value: all of
// its keys are public. Start runs everything, Close ends everything and waits. Nothing is durable.
package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Config says how the network differs from the usual one. The zero Config is the usual one on free ports.
type Config struct {
	RPCListen    string        // TCP address of the chain's JSON-RPC; empty: any free port of 127.0.0.1
	ProviderPort int           // port of the first provider, the others follow; 0: any free ports
	Testnet      bool          // the contracts' minimums of the testnet instead of those of mainnet
	TokenDelay   time.Duration // before each token of an answer
	SettleEvery  time.Duration // how often providers take what they are owed; 0: only when told
	SettleLag    time.Duration // how long after its receipt a settlement's fees are still claimed
	MoreChats    int           // further providers of chat models, lorem-2 and so on
	AllKinds     bool          // one provider of each further kind of service
	Twins        int           // further providers of echo-1, twin-1 and so on, each a little dearer than the one before
	PriceFactor  uint64        // the usual prices times this, for tests in which money has to run out; 0: 1
	// Limits are those of all providers of chat models.
	Limits simprovider.Limits
	// Change alters what a provider is, and what it says of itself on chain; nil: nothing.
	Change func(name string, p *simprovider.Config, s *simchain.ServiceParams)
	Log    zerolog.Logger
}

// What the wallet has at the start, in 0G.
const (
	walletMoney = 1000
	ledgerMoney = 100
)

// providerMoney is what each provider has besides its stake, in 0G: the gas of its settlements, many times over.
const providerMoney = 200

// accountMoney is in each sub-account at the start: enough to be served at once, little enough for a top-up to follow.
// Where requests have to set something aside beforehand, that comes on top.
var accountMoney = zg.OneOG.MulDiv(3, 2)

// The least that opens a ledger and a sub-account on the testnet. Mainnet's, 3 0G and 1 0G, are the chain's default.
var (
	testnetLedger  = zg.OneOG.MulDiv(1, 10)
	testnetAccount = zg.OneOG.MulDiv(1, 100)
)

// offer is one provider of the network.
type offer struct {
	name          string
	kind          zg.ServiceType
	model         string
	behaviour     simprovider.Behaviour
	input, output zg.Neuron // per token, second or image
}

// perMillion is a price in thousandths of 0G per million tokens.
func perMillion(thousandths uint64) zg.Neuron { return zg.OneOG.MulDiv(thousandths, 1_000_000_000) }

// offers are the network: one model at two prices, a model of its own, pictures and speech.
func offers() []offer {
	return []offer{
		{"alpha", zg.Chatbot, "echo-1", simprovider.Echo, perMillion(300), perMillion(480)},
		{"beta", zg.Chatbot, "lorem-1", simprovider.Lorem, perMillion(100), perMillion(400)},
		{"gamma", zg.Chatbot, "echo-1", simprovider.Echo, perMillion(450), perMillion(720)},
		{"delta", zg.TextToImage, "picture-1", simprovider.Pictures, zg.Neuron{}, zg.OneOG.MulDiv(3, 1000)},
		{"epsilon", zg.SpeechToText, "speech-1", simprovider.Transcribe, zg.OneOG.MulDiv(1, 10_000), perMillion(480)},
	}
}

// moreKinds are what AllKinds adds.
func moreKinds() []offer {
	return []offer{
		{"eta", zg.Embedding, "vectors-1", simprovider.Vectors, perMillion(20), zg.Neuron{}},
		{"theta", zg.ImageEditing, "retouch-1", simprovider.Pictures, zg.Neuron{}, zg.OneOG.MulDiv(4, 1000)},
		{"iota", zg.AudioGeneration, "voice-1", simprovider.Voice, zg.Neuron{}, zg.OneOG.MulDiv(2, 10_000)},
		{"kappa", zg.VideoGeneration, "film-1", simprovider.Film, zg.Neuron{}, zg.OneOG.MulDiv(2, 1000)},
		{"lambda", zg.Decisions, "judge-1", simprovider.Judge, perMillion(50), perMillion(200)},
	}
}

// reserve is what a request may have to set aside beforehand: two minutes of sound or pictures.
func (o offer) reserve() zg.Neuron {
	if o.kind == zg.AudioGeneration || o.kind == zg.VideoGeneration {
		return o.output.Mul(120)
	}
	return zg.Neuron{}
}

// offers are all providers of the network.
func (cfg Config) offers() []offer {
	all := offers()
	for i := range cfg.MoreChats {
		all = append(all, offer{
			fmt.Sprintf("zeta-%d", i+1), zg.Chatbot, fmt.Sprintf("lorem-%d", i+2), simprovider.Lorem, perMillion(200 + 10*uint64(i)), perMillion(600),
		})
	}
	if cfg.AllKinds {
		all = append(all, moreKinds()...)
	}
	for i := range cfg.Twins {
		n := uint64(i + 1)
		all = append(all, offer{fmt.Sprintf("twin-%d", n), zg.Chatbot, "echo-1", simprovider.Echo, perMillion(300 + 10*n), perMillion(480 + 16*n)})
	}
	factor := max(1, cfg.PriceFactor)
	for i := range all {
		all[i].input, all[i].output = all[i].input.Mul(factor), all[i].output.Mul(factor)
	}
	return all
}

// Network is a running network.
type Network struct {
	Chain     *simchain.Chain
	Providers []*simprovider.Provider // alpha, beta, gamma, delta, epsilon, those of MoreChats, of AllKinds, and of Twins

	owner owner
}

// Start runs a network: services registered and vouched for, the wallet's ledger filled and its sub-accounts opened. On
// failure nothing is left running.
func Start(ctx context.Context, cfg Config) (_ *Network, err error) {
	chainCfg := simchain.Config{Listen: cfg.RPCListen}
	if cfg.Testnet {
		chainCfg.MinLedger, chainCfg.MinAccount = testnetLedger, testnetAccount
	}
	chain, err := simchain.Start(chainCfg) //nolint:contextcheck // the chain goes on after this call
	if err != nil {
		return nil, fmt.Errorf("start the chain: %w", err)
	}
	n := &Network{Chain: chain}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	wallet := WalletKey()
	if err := n.Fund(ctx, Wallet(), zg.OneOG.Mul(walletMoney)); err != nil {
		return nil, fmt.Errorf("fund the wallet: %w", err)
	}
	all := cfg.offers()
	ledger := zg.OneOG.Mul(ledgerMoney)
	for _, o := range all {
		ledger = ledger.Add(o.reserve())
	}
	if err := chain.Deposit(ctx, wallet, ledger); err != nil {
		return nil, fmt.Errorf("fill the wallet's ledger: %w", err)
	}
	for i, o := range all {
		if err := n.add(ctx, cfg, i, o); err != nil {
			return nil, fmt.Errorf("provider %s: %w", o.name, err)
		}
	}
	return n, nil
}

// add starts a provider, registers it and gives it a sub-account of the wallet.
func (n *Network) add(ctx context.Context, cfg Config, i int, o offer) error {
	var limits simprovider.Limits
	if o.kind == zg.Chatbot {
		limits = cfg.Limits
	}
	listen := "127.0.0.1:0"
	if cfg.ProviderPort > 0 {
		listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.ProviderPort+i))
	}
	setup := simprovider.Config{
		Key: ProviderKey(o.name), TEEKey: TEEKey(o.name), Type: o.kind, Model: o.model, Behaviour: o.behaviour,
		Price: zg.Price{Input: o.input, Output: o.output}, TokenDelay: cfg.TokenDelay,
		Chain: n.Chain, Listen: listen, Limits: limits, SettleEvery: cfg.SettleEvery, SettleLag: cfg.SettleLag, Log: cfg.Log,
	}
	service := simchain.ServiceParams{
		ServiceType: string(o.kind), Model: o.model, Verifiability: "TeeML", InputPrice: o.input, OutputPrice: o.output,
	}
	if cfg.Change != nil {
		cfg.Change(o.name, &setup, &service)
	}
	p, err := simprovider.Start(setup)
	if err != nil {
		return err
	}
	n.Providers = append(n.Providers, p)
	if err := n.Fund(ctx, p.Address(), zg.OneOG.Mul(providerMoney)); err != nil {
		return fmt.Errorf("fund: %w", err)
	}
	if service.TEESigner = p.TEESigner(); service.URL == "" { // else something stands in front of it
		service.URL = p.URL()
	}
	if err := n.Chain.RegisterService(ctx, ProviderKey(o.name), service); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := n.Chain.AcknowledgeSigner(ctx, p.Address()); err != nil {
		return fmt.Errorf("vouch for the signer: %w", err)
	}
	if err := n.Chain.Transfer(ctx, WalletKey(), p.Address(), accountMoney.Add(o.reserve())); err != nil {
		return fmt.Errorf("open the wallet's sub-account: %w", err)
	}
	return nil
}

// Fund gives an account money that it can spend at once. The node's pool of transactions takes note of a block when the
// next one is made, and until then would refuse what the money was given for.
func (n *Network) Fund(ctx context.Context, to common.Address, amount zg.Neuron) error {
	if err := n.Chain.Fund(ctx, to, amount); err != nil {
		return err
	}
	n.Chain.Mine()
	return nil
}

// Env are the variables that make zgproxy use this network with its wallet and all of its providers.
func (n *Network) Env() []string {
	var providers []string
	for _, p := range n.Providers {
		providers = append(providers, p.Address().Hex())
	}
	return []string{
		"ZGPROXY_NETWORK=devnet",
		"ZGPROXY_RPC_URL=" + n.Chain.URL(),
		"ZGPROXY_PRIVATE_KEY=" + WalletKeyHex,
		"ZGPROXY_PROVIDERS=" + strings.Join(providers, ","),
	}
}

// Restart closes a provider and starts it again at its address.
func (n *Network) Restart(i int) error {
	p, err := n.Providers[i].Restart()
	if err != nil {
		return err
	}
	n.Providers[i] = p
	return nil
}

// Upgrade starts a provider again with another image, whose signer is another one: see simprovider.Config.Image. The
// chain does not know of it until Announce.
func (n *Network) Upgrade(i int, image string) error {
	p, err := n.Providers[i].Upgrade(image)
	if err != nil {
		return err
	}
	n.Providers[i] = p
	return nil
}

// Reboot starts a provider again with the image of its beginning.
func (n *Network) Reboot(i int) error {
	p, err := n.Providers[i].Reboot()
	if err != nil {
		return err
	}
	n.Providers[i] = p
	return nil
}

// Close ends the contract's owner and the providers, then the chain, and waits for all of it.
func (n *Network) Close() error {
	errs := []error{n.owner.close()}
	for _, p := range n.Providers {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, n.Chain.Close())...)
}
