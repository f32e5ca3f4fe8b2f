package chain

import "github.com/ethereum/go-ethereum/common"

// Network is one known deployment of the two contracts.
type Network struct {
	Name              string
	ChainID           uint64
	RPCURL            string         // public endpoint
	Ledger, Inference common.Address // proxies: they stay when the contracts behind them are upgraded
}

// DevnetChainID is the chain id of simulated networks, and DevnetWallet the wallet of ours, whose key everybody knows.
const DevnetChainID = 31337

// DevnetWallet is the address of the devnet's wallet.
var DevnetWallet = common.HexToAddress("0xe27AdFCcDc27BcC5a22ef346363279A6edebC660")

// Networks returns the known networks.
func Networks() []Network {
	return []Network{
		{
			"mainnet", 16661, "https://evmrpc.0g.ai",
			common.HexToAddress("0x2dE54c845Cd948B72D2e32e39586fe89607074E3"), common.HexToAddress("0x47340d900bdFec2BD393c626E12ea0656F938d84"),
		},
		{
			"testnet", 16602, "https://evmrpc-testnet.0g.ai",
			common.HexToAddress("0xE70830508dAc0A97e6c087c75f402f9Be669E406"), common.HexToAddress("0xa79F4c8311FF93C06b8CfB403690cc987c93F91E"),
		},
		{
			"devnet", DevnetChainID, "http://127.0.0.1:8545",
			common.HexToAddress("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"), common.HexToAddress("0x0165878A594ca255338adfa4d48449f69242Eb8F"),
		},
	}
}

// LookupNetwork finds a network by name: mainnet, testnet or devnet.
func LookupNetwork(name string) (Network, bool) {
	for _, n := range Networks() {
		if n.Name == name {
			return n, true
		}
	}
	return Network{}, false
}
