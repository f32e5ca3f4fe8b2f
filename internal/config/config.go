// Package config reads the ZGPROXY_ environment variables, checks them, and prints them for people.
//
// Only the commands import it: every other room takes a small Config of its own and never looks at the environment. It
// reads the environment and the files that secrets point to, once, in Load; it writes nothing, logs nothing and starts
// nothing. A secret's text leaves it through Secret.Reveal and SecretList.Reveal only.
package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Prefix begins the name of every variable.
const Prefix = "ZGPROXY_"

// Off is the value that disables ADMIN_LISTEN and VERIFY.
const Off = "off"

// The other values of VERIFY.
const (
	Observe = "observe"
	Enforce = "enforce"
)

// Config is everything an operator can choose. The tags are the manual: docs/config.md is generated from them.
//
// The tag envconfig holds the full name of the variable. A name without the prefix would do, but then envconfig also
// reads the variable of that bare name, and PORT, HOST or PRIVATE_KEY of some other program would become ours.
type Config struct {
	Network           string   `envconfig:"ZGPROXY_NETWORK" group:"Network" default:"mainnet" oneof:"networks" example:"testnet" desc:"Which 0G network to work on. It decides the RPC endpoint, the chain id and the two contracts below. devnet is the simulated network of zgdevnet on this machine."`
	RPCURL            NodeURLs `envconfig:"ZGPROXY_RPC_URL" group:"Network" shown:"the network's own" allowed:"http or https URLs separated by commas" example:"https://rpc.example.com/my-key,https://rpc.example.org" desc:"JSON-RPC endpoint of a node of that network, or several, separated by commas. Several are asked together: another one answers where one does not, what they say of money is compared, a transaction is sent to all of them, and where two disagree nothing is paid. Everything but the host is hidden when it is printed, because many RPC vendors put a key into the path."`
	ChainID           uint64   `envconfig:"ZGPROXY_CHAIN_ID" group:"Network" shown:"the network's own" allowed:"a whole number" example:"16661" desc:"Chain id that transactions are signed for. zgproxy refuses to start when the endpoint serves another chain; of several endpoints, one that does is not used."`
	LedgerContract    Address  `envconfig:"ZGPROXY_LEDGER_CONTRACT" group:"Network" shown:"the network's own" allowed:"a contract address" example:"0x2dE54c845Cd948B72D2e32e39586fe89607074E3" desc:"Address of the LedgerManager contract. Set it together with the inference contract, and only for a deployment of your own."`
	InferenceContract Address  `envconfig:"ZGPROXY_INFERENCE_CONTRACT" group:"Network" shown:"the network's own" allowed:"a contract address" example:"0x47340d900bdFec2BD393c626E12ea0656F938d84" desc:"Address of the InferenceServing contract."`

	PrivateKey       Secret         `envconfig:"ZGPROXY_PRIVATE_KEY" group:"Wallet" allowed:"a private key of 64 hex digits, or @ and the path of a file that holds it" example:"@/run/secrets/wallet" desc:"Private key of the wallet that pays. Write @ and a path to have it read from a file, so that it is not in the environment of the process."`
	Keystore         string         `envconfig:"ZGPROXY_KEYSTORE" group:"Wallet" allowed:"the path of an encrypted keystore file (JSON, version 3)" example:"/etc/zgproxy/wallet.json" desc:"Path of an encrypted keystore file, instead of the private key."`
	KeystorePassword Password       `envconfig:"ZGPROXY_KEYSTORE_PASSWORD" group:"Wallet" allowed:"the password, @ and the path of a file that holds it, or fd: and the number of a file descriptor" example:"@/run/secrets/wallet-password" desc:"Password of the keystore file. Where it is not set, it is asked for on the terminal."`
	Signer           SignerEndpoint `envconfig:"ZGPROXY_SIGNER" group:"Wallet" allowed:"an http or https URL, or the absolute path of a socket" example:"http://127.0.0.1:8550" desc:"External signer: go-ethereum's clef, or a signer that answers eth_signTransaction and eth_sign, such as Web3Signer in front of a hardware module or a cloud's key store. What it gives back is checked to be what was asked for."`
	SignerAddress    Address        `envconfig:"ZGPROXY_SIGNER_ADDRESS" group:"Wallet" allowed:"the address of a wallet" example:"0xFCAd0B19bB29D4674531d6f115237E16AfCE377c" desc:"Whose wallet the signer signs for."`

	Host         string      `envconfig:"ZGPROXY_HOST" group:"Listening" default:"127.0.0.1" allowed:"an IP address or a host name, without a port" example:"0.0.0.0" desc:"Address that callers connect to. On anything but a loopback address set local keys as well (ZGPROXY_API_KEYS): anyone who can reach the port can spend from the wallet."`
	Port         uint16      `envconfig:"ZGPROXY_PORT" group:"Listening" default:"3000" allowed:"a port number from 0 to 65535" example:"8080" desc:"Port that callers connect to. 0 takes any free port."`
	AdminListen  string      `envconfig:"ZGPROXY_ADMIN_LISTEN" group:"Listening" default:"127.0.0.1:3090" allowed:"host:port, or off" example:"off" desc:"Where the operator's side listens: metrics, health, readiness and status. It only reads, but asks for no key, so keep it on loopback or in a private network. off disables it."`
	APIKeys      SecretList  `envconfig:"ZGPROXY_API_KEYS" group:"Listening" allowed:"keys separated by commas, or @ and the path of a file with one key per line" example:"@/etc/zgproxy/keys" desc:"Local keys. When at least one is set, every caller has to present one as its OpenAI API key. They are yours to invent and have nothing to do with the wallet."`
	AllowedHosts StringsList `envconfig:"ZGPROXY_ALLOWED_HOSTS" group:"Listening" allowed:"host names separated by commas, without scheme or port" example:"zgproxy,llm.example.com" desc:"Names that may be used for zgproxy, on both listeners, besides localhost and IP addresses. Any other Host header is refused, so that a web page cannot reach the wallet by DNS rebinding."`

	AllowedOrigins OriginList `envconfig:"ZGPROXY_ALLOWED_ORIGINS" group:"Listening" allowed:"origins separated by commas, each a scheme and a host, with a port where it has one" example:"https://chat.example.com,app://obsidian.md" desc:"Web pages, and applications made of such (app://obsidian.md, tauri://localhost, chrome-extension://...), that may call zgproxy from a browser (CORS). All others are refused, links and pictures in them too; the log names the origin of each. null and file:// need ZGPROXY_API_KEYS as well, because any page can have such an origin."`

	DataDir string `envconfig:"ZGPROXY_DATA_DIR" group:"Storage" shown:"$XDG_STATE_HOME/zgproxy, else ~/.local/state/zgproxy" allowed:"the absolute path of a directory" example:"/var/lib/zgproxy" desc:"Directory of the spend store. One instance at a time uses it. Keep it: it is the record of what was spent and which top-ups are under way. A path from the root on, or one that begins with ~ or $HOME; others may not write to it."`

	Providers                    AddressList     `envconfig:"ZGPROXY_PROVIDERS" group:"Providers and money" allowed:"provider addresses separated by commas" example:"0xa48f01287233509FD694a22Bf840225062E67836" desc:"Providers that may be paid. Requests go to these only, and only their sub-accounts are ever topped up."`
	AutoFund                     Allowance       `envconfig:"ZGPROXY_AUTO_FUND" group:"Providers and money" default:"off" allowed:"off, or an amount such as 5 0G" example:"5 0G" desc:"Also open missing sub-accounts of the providers above automatically, with a first transfer from your ledger, and deposit from the wallet into the ledger when it runs low: each up to this much in total, and within the limits below. No sub-account is opened that could not be filled to the low-water mark. off: only sub-accounts that exist already are topped up, from what the ledger has."`
	LowWater                     ProviderAmounts `envconfig:"ZGPROXY_LOW_WATER" group:"Providers and money" default:"2 0G" allowed:"an amount, and exceptions as address=amount, separated by commas" example:"1.5 0G" desc:"A sub-account is topped up when less than this is left in it. Providers serve only while about 1 0G is left, so stay above that. An exception for one provider is written as its address, = and the amount, after a comma, as in 2 0G, 0xa48f…=4 0G."`
	HighWater                    ProviderAmounts `envconfig:"ZGPROXY_HIGH_WATER" group:"Providers and money" default:"3 0G" allowed:"an amount, and exceptions as address=amount, separated by commas, above ZGPROXY_LOW_WATER" example:"5 0G" desc:"A top-up fills the sub-account up to this. Exceptions as for the low water."`
	MaxReserve                   Amount          `envconfig:"ZGPROXY_MAX_RESERVE" group:"Providers and money" default:"5 0G" allowed:"an amount such as 5 or 5 0G" example:"2 0G" desc:"A provider that refuses says how much it wants left in the sub-account. That is believed, and kept there, up to this amount."`
	WalletFloor                  Amount          `envconfig:"ZGPROXY_WALLET_FLOOR" group:"Providers and money" default:"0.05 0G" allowed:"an amount such as 0.05 or 0.05 0G" example:"0.1 0G" desc:"Stays in the wallet to pay for gas: an automatic deposit into the ledger never leaves less."`
	BudgetFeesDay                Cap             `envconfig:"ZGPROXY_BUDGET_FEES_DAY" group:"Providers and money" default:"none" allowed:"none, or an amount such as 10 or 10 0G" example:"2 0G" desc:"Most that requests may cost in any 24 hours, all providers together. A request is refused before it is sent when the most it can cost does not fit any more, so a budget is never exceeded."`
	BudgetFeesTotal              Cap             `envconfig:"ZGPROXY_BUDGET_FEES_TOTAL" group:"Providers and money" default:"none" allowed:"none, or an amount such as 10 or 10 0G" example:"100 0G" desc:"Most that requests may cost in total, since the spend store was begun."`
	BudgetProviderFeesDay        ProviderCaps    `envconfig:"ZGPROXY_BUDGET_PROVIDER_FEES_DAY" group:"Providers and money" default:"none" allowed:"none or an amount, and exceptions as address=amount, separated by commas" example:"1 0G" desc:"Most that requests to each provider may cost in any 24 hours. An exception for one provider is written as its address, = and the amount, after a comma, as in 5 0G, 0xa48f…=2 0G."`
	BudgetProviderFeesTotal      ProviderCaps    `envconfig:"ZGPROXY_BUDGET_PROVIDER_FEES_TOTAL" group:"Providers and money" default:"none" allowed:"none or an amount, and exceptions as address=amount, separated by commas" example:"50 0G" desc:"Most that requests to each provider may cost in total. Exceptions in the same form."`
	BudgetTransfersDay           Cap             `envconfig:"ZGPROXY_BUDGET_TRANSFERS_DAY" group:"Providers and money" default:"10 0G" allowed:"none, or an amount such as 10 or 10 0G" example:"20 0G" desc:"Most that is moved automatically from the ledger to sub-accounts in any 24 hours, all providers together. Transfers by hand are never refused, but count."`
	BudgetTransfersTotal         Cap             `envconfig:"ZGPROXY_BUDGET_TRANSFERS_TOTAL" group:"Providers and money" default:"none" allowed:"none, or an amount such as 10 or 10 0G" example:"200 0G" desc:"Most that is moved automatically from the ledger to sub-accounts in total, since the spend store was begun."`
	BudgetProviderTransfersDay   ProviderCaps    `envconfig:"ZGPROXY_BUDGET_PROVIDER_TRANSFERS_DAY" group:"Providers and money" default:"none" allowed:"none or an amount, and exceptions as address=amount, separated by commas" example:"5 0G" desc:"Most that is moved automatically to each provider's sub-account in any 24 hours. Exceptions as above."`
	BudgetProviderTransfersTotal ProviderCaps    `envconfig:"ZGPROXY_BUDGET_PROVIDER_TRANSFERS_TOTAL" group:"Providers and money" default:"none" allowed:"none or an amount, and exceptions as address=amount, separated by commas" example:"50 0G" desc:"Most that is moved automatically to each provider's sub-account in total. Exceptions in the same form."`
	DriftTolerance               Amount          `envconfig:"ZGPROXY_DRIFT_TOLERANCE" group:"Providers and money" default:"0.1 0G" allowed:"an amount such as 0.1 or 0.1 0G" example:"0.05 0G" desc:"Top-ups to a provider pause when it has taken or claims more than this beyond what its answers came to, until you accept that."`
	Confirmations                Count           `envconfig:"ZGPROXY_CONFIRMATIONS" group:"Providers and money" default:"10" min:"1" max:"1000" allowed:"a whole number from 1 to 1000" example:"3" desc:"How many blocks, its own included, a transaction of ours has to be deep before it counts as final. On devnet one is enough."`
	MaxFeePerGas                 GasPrice        `envconfig:"ZGPROXY_MAX_FEE_PER_GAS" group:"Providers and money" default:"100gwei" allowed:"a gas price such as 50gwei, or a whole number of neuron" example:"50gwei" desc:"No transaction is signed that offers more than this per unit of gas, however long it has been stuck."`
	AllowPrivate                 bool            `envconfig:"ZGPROXY_ALLOW_PRIVATE_PROVIDERS" group:"Providers and money" default:"false" allowed:"true or false" example:"true" desc:"Also talk to providers whose URL leads to a private or loopback address. Anyone can register a URL on chain, so this is off except on devnet, where it is on."`
	Refresh                      Duration        `envconfig:"ZGPROXY_DIRECTORY_REFRESH" group:"Providers and money" default:"60s" min:"100ms" allowed:"a duration of at least 100ms, such as 90s or 5m" example:"5m" desc:"How often the list of services is read from the chain, and the providers' catalogues with it."`
	KeeperInterval               Duration        `envconfig:"ZGPROXY_KEEPER_INTERVAL" group:"Providers and money" default:"30s" min:"100ms" allowed:"a duration of at least 100ms, such as 30s" example:"1m" desc:"How often balances are read, fees compared with the providers' figures, and top-ups decided."`
	Routing                      string          `envconfig:"ZGPROXY_ROUTING" group:"Routing" default:"balanced" oneof:"priority|price|latency|balanced" example:"price" desc:"How one of several providers of a model is chosen. priority: in the order of ZGPROXY_PROVIDERS, as long as it works. price: the cheapest. latency: the quickest to the first byte. balanced: by price, latency, success, verdicts and funding together. zgproxy explain MODEL shows it."`
	ModelAliases                 NameMap         `envconfig:"ZGPROXY_MODEL_ALIASES" group:"Routing" allowed:"name=model pairs separated by commas" example:"gpt-4o=qwen3-32b,fast=llama-3.1-8b" desc:"Further names of models, for programs that insist on a name. The value may also pin a provider: name=PROVIDER/MODEL."`
	Endpoints                    EndpointList    `envconfig:"ZGPROXY_ENDPOINTS" group:"Routing" allowed:"endpoints separated by semicolons, each of words separated by blanks: id=… url=… models=a|b, with key=@/path and priority=0 where wanted" example:"id=local url=http://127.0.0.1:8000/v1 models=qwen3-32b priority=5" desc:"OpenAI-compatible services of your own that serve models beside the network's providers. What they answer is not paid through zgproxy and not verified, and is marked so everywhere; with ZGPROXY_VERIFY=enforce they get no requests. Endpoints are separated by semicolons, their words by blanks, models by a vertical bar. The URL is the base of the API: /v1 is added to a host alone, and the path of an operation, such as /chat/completions, is taken off."`
	MaxAttempts                  Count           `envconfig:"ZGPROXY_MAX_ATTEMPTS" group:"Routing" default:"3" min:"1" max:"10" allowed:"a whole number from 1 to 10" example:"1" desc:"How many providers a request is tried with before its caller gets an error. Another one is only tried while nothing of an answer has been sent on, and only after a failure that costs nothing or whose possible cost is set aside. 1: none but the first."`
	FailoverWithin               Duration        `envconfig:"ZGPROXY_FAILOVER_WITHIN" group:"Routing" default:"30s" min:"0s" allowed:"a duration, such as 30s" example:"10s" desc:"No other provider is tried when a request is older than this."`
	PaceWait                     Duration        `envconfig:"ZGPROXY_PACE_WAIT" group:"Routing" default:"1m" min:"0s" allowed:"a duration, such as 10s" example:"0s" desc:"How long a request waits when every provider of its model has as many requests as it takes, before its caller gets a 429 that says when to come back. Where all are down, it also waits for one that is tried again within two seconds."`
	Verify                       string          `envconfig:"ZGPROXY_VERIFY" group:"Answers" default:"observe" oneof:"off|observe|enforce" example:"enforce" desc:"What is done about the signatures of providers. observe: the signature of each answer is fetched and checked against the bytes that were delivered, and what it showed is recorded and counted, without delaying the answer. enforce: a caller gets no answer that was not shown to come from the provider's signer. A document is held until it is checked, a stream just before its end; what does not pass is an error to the caller, and is paid all the same, because the provider has answered. Providers that sign nothing are not asked at all. off: nothing is checked."`
	SignerGrace                  Duration        `envconfig:"ZGPROXY_SIGNER_GRACE" group:"Answers" default:"0s" min:"0s" allowed:"a duration, such as 24h" example:"24h" desc:"When the chain names another signer or another URL for a provider than those you began with, requests to it go on for this long before it is suspended until you accept it (zgproxy provider accept). 0s: it is suspended at once. An answer with a wrong signature suspends it at once in any case."`
	VerifyHold                   ByteSize        `envconfig:"ZGPROXY_VERIFY_HOLD" group:"Answers" default:"64MiB" min:"64KiB" max:"1GiB" allowed:"a size from 64KiB to 1GiB, such as 64MiB" example:"16MiB" desc:"Largest answer that is held in memory until it is checked, where ZGPROXY_VERIFY is enforce. A larger one is refused, though paid. Streams are held at their end only, which is small, so this is about images above all."`
	Memory                       ByteSize        `envconfig:"ZGPROXY_MEMORY" group:"Answers" default:"512MiB" min:"1MiB" max:"1024GiB" allowed:"a size from 1MiB to 1024GiB, such as 512MiB" example:"2GiB" desc:"Most that is held in memory at a time for all requests together: 128 KiB for each, twice the size of bodies that are larger than 32 KiB, answers that are held until they are checked, and what checking takes. It is never more than half of the process's memory limit (GOMEMLIMIT, else nine tenths of what the control group may use). A request for which there is no room waits for two seconds and then gets a 503 that says when to come back, before anything is spent."`
	MaxBody                      ByteSize        `envconfig:"ZGPROXY_MAX_BODY" group:"Answers" default:"32MiB" min:"1KiB" max:"1GiB" allowed:"a size from 1KiB to 1GiB, such as 8MiB" example:"8MiB" desc:"Largest request body that is accepted. Providers refuse more than 32MiB."`
	StreamIdle                   Duration        `envconfig:"ZGPROXY_STREAM_IDLE_TIMEOUT" group:"Answers" default:"15m" min:"100ms" allowed:"a duration of at least 100ms, such as 15m" example:"5m" desc:"An answer is given up when the provider has sent no byte for this long."`
	DrainBytes                   ByteSize        `envconfig:"ZGPROXY_DRAIN_BYTES" group:"Answers" default:"10MiB" min:"0" max:"1GiB" allowed:"a size up to 1GiB, such as 10MiB" example:"1MiB" desc:"When a caller hangs up, the provider goes on and bills in full. zgproxy reads on for at most this much to learn the fee."`
	DrainTimeout                 Duration        `envconfig:"ZGPROXY_DRAIN_TIMEOUT" group:"Answers" default:"2m" min:"0s" allowed:"a duration, such as 2m" example:"30s" desc:"… and for at most this long."`
	ShutdownGrace                Duration        `envconfig:"ZGPROXY_SHUTDOWN_GRACE" group:"Answers" default:"30s" min:"0s" allowed:"a duration, such as 30s" example:"2m" desc:"On the first SIGTERM or Ctrl-C, answers under way get this long to finish. A second signal ends at once."`
	LogLevel                     string          `envconfig:"ZGPROXY_LOG_LEVEL" group:"Logs" default:"info" oneof:"trace|debug|info|warn|error" example:"debug" desc:"Least important log lines that are written. Prompts, answers, tokens and keys are never logged, at any level."`
	LogFormat                    string          `envconfig:"ZGPROXY_LOG_FORMAT" group:"Logs" default:"auto" oneof:"auto|json|console" example:"json" desc:"auto writes coloured lines to a terminal and JSON otherwise."`
}

// ListenAddress is where callers connect.
func (c Config) ListenAddress() string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// AdminOff reports whether the operator's listener is disabled.
func (c Config) AdminOff() bool { return c.AdminListen == Off }

// HasKey reports whether a wallet is configured, one way or the other.
func (c Config) HasKey() bool {
	return c.PrivateKey.IsSet() || c.Keystore != "" || c.Signer.Reveal() != ""
}

// loopback reports whether only this machine can connect to the host.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Duration is a time.Duration that prints the way people write it ("2m", not "2m0s").
type Duration time.Duration

// Decode reads what time.ParseDuration reads.
func (d *Duration) Decode(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return valueError("not a duration")
	}
	*d = Duration(v)
	return nil
}

// Std is the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the duration without trailing zero units.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes what String writes.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
