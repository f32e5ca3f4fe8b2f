package zg

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Network is one known deployment of the two contracts. This list is the only one: configuration, set-up, completion
// and imports read it.
type Network struct {
	Name              string
	Money             string // what its 0G is worth, in words
	Simulated         bool   // it runs on this machine; its wallet's key is public
	Faucet            string // where its 0G is given away, to read before an address; empty: nowhere
	ChainID           uint64
	RPCURL            string         // public endpoint
	Ledger, Inference common.Address // proxies: they stay when the contracts behind them are upgraded
}

// DevnetChainID is the chain id of simulated networks, and DevnetWallet the wallet of ours, whose key everybody knows.
const DevnetChainID = 31337

// DevnetWallet is the address of the devnet's wallet.
var DevnetWallet = common.HexToAddress("0xe27AdFCcDc27BcC5a22ef346363279A6edebC660")

// Networks returns the known networks, the default one first.
func Networks() []Network {
	at := common.HexToAddress
	return []Network{
		{
			Name: "mainnet", Money: "real money", ChainID: 16661, RPCURL: "https://evmrpc.0g.ai",
			Ledger: at("0x2dE54c845Cd948B72D2e32e39586fe89607074E3"), Inference: at("0x47340d900bdFec2BD393c626E12ea0656F938d84"),
		},
		{
			Name: "testnet", Money: "test tokens, no value", ChainID: 16602, RPCURL: "https://evmrpc-testnet.0g.ai",
			Faucet: "https://faucet.0g.ai, for the address",
			Ledger: at("0xE70830508dAc0A97e6c087c75f402f9Be669E406"), Inference: at("0xa79F4c8311FF93C06b8CfB403690cc987c93F91E"),
		},
		{
			Name: "devnet", Money: "zgdevnet on this machine", Simulated: true, ChainID: DevnetChainID, RPCURL: "http://127.0.0.1:8545",
			Faucet: "zgdevnet faucet",
			Ledger: at("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"), Inference: at("0x0165878A594ca255338adfa4d48449f69242Eb8F"),
		},
	}
}

// NetworkNamed finds a network by its name.
func NetworkNamed(name string) (Network, bool) {
	for _, n := range Networks() {
		if n.Name == name {
			return n, true
		}
	}
	return Network{}, false
}

// Simulated reports whether the network of that name runs on this machine.
func Simulated(name string) bool {
	n, ok := NetworkNamed(name)
	return ok && n.Simulated
}

// NetworkNames are the names of all networks, the default one first.
func NetworkNames() []string {
	var names []string
	for _, n := range Networks() {
		names = append(names, n.Name)
	}
	return names
}

// OneOf lists words as a sentence does: "a, b or c".
func OneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
