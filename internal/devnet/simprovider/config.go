// Package simprovider is a provider of the 0G Compute Network on a loopback port. It checks session tokens and balances
// the way real ones do, answers with deterministic models, signs and bills its answers, settles on chain, and
// misbehaves on request.
//
// It never talks to anything but its chain, never takes money other than through a settlement, and is no place for a
// real key. Start begins to serve and owns every goroutine; Close ends them all and waits. Nothing is durable: fees
// that are not settled, signatures and stored images are gone with the process, as they are with many real providers.
package simprovider

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Chain is what a provider reads and writes on chain.
type Chain interface {
	// SubAccount returns what user has set aside for provider; false when there is no such sub-account.
	SubAccount(ctx context.Context, user, provider common.Address) (zg.SubAccount, bool, error)
	// Service returns the provider's registered offer.
	Service(ctx context.Context, provider common.Address) (zg.Service, error)
	// Settle takes one fee from each user in one transaction and returns the contract's status for each: 0 is success,
	// 1 is partial (all of the balance was taken), anything else took nothing. At most 50 users.
	Settle(ctx context.Context, providerKey, teeKey *ecdsa.PrivateKey, users []common.Address, fees []zg.Neuron) ([]uint8, error)
}

// Behaviour chooses the model that answers.
type Behaviour string

// The models. Each service type has a default.
const (
	// Echo repeats the last user message; it calls tools and fills in JSON schemas. The default of chat services.
	Echo Behaviour = "echo"
	// Lorem writes as many words as the request allows, or as a "lorem:NNN" in the prompt asks for.
	Lorem Behaviour = "lorem"
	// Pictures draws a small PNG from a digest of the prompt. The default of image services.
	Pictures Behaviour = "pictures"
	// Transcribe describes the audio it got and reports seconds. The default of speech services.
	Transcribe Behaviour = "transcribe"
	// TranscribeTokens does the same and reports tokens.
	TranscribeTokens Behaviour = "transcribe-tokens"
	// Vectors embeds a digest of the input. The default of embedding services.
	Vectors Behaviour = "vectors"
	// Voice hums for as long as the text would take to say. The default of services that generate audio.
	Voice Behaviour = "voice"
	// Film makes bytes that no player plays. The default of services that generate video.
	Film Behaviour = "film"
	// Judge finds for whoever asks. The default of decision services.
	Judge Behaviour = "judge"
)

// Limits are the provider's own limits. Zero values are off, so that demos and benchmarks are not held up.
type Limits struct {
	RequestsPerMinute int // per wallet
	Burst             int // requests at once within the limit per minute; 0: 5
	TokensPerMinute   int // per wallet, charged after the answer and possibly going below zero
	ImagesPerMinute   int // per wallet, charged after the answer
	Concurrent        int // requests under way per wallet
	Global            int // requests under way in all
	TokenBudget       int // prompt and largest possible output of all chats under way
	ImageFetches      int // stored images served per minute and IP address
}

// Centralized makes the provider one that relays to a cloud vendor, which its signatures then say.
type Centralized struct {
	Identity       string // such as "openai"
	TLSFingerprint string // hex SHA-256 of the vendor's certificate
}

// Config says what the provider sells and how it behaves. Key, TEEKey, Type, Model and Chain are required.
type Config struct {
	Key    *ecdsa.PrivateKey // the provider's account: its address, and who pays for settlements
	TEEKey *ecdsa.PrivateKey // signs answers and settlements
	// Image, when set, makes the signer a key of the image that runs, as of brokers behind a controller: it is derived
	// from TEEKey, which signs nothing itself, and the digest "sha256:…". Upgrade changes it, Reboot goes back to this
	// one.
	Image string
	image imageKeys
	// Address overrides the address of Key, for tests with tokens that were made elsewhere. Such a provider cannot settle.
	Address common.Address

	Type      zg.ServiceType
	Model     string
	Behaviour Behaviour // empty: the default of Type
	Price     zg.Price  // what is billed; the chain's figures are not consulted
	// Also lists further models and their prices, which makes this a provider of several models.
	Also map[string]zg.Price
	// Upstreams, when set, are several vendors of Model, each with an entry of the catalogue; they stand in for Price.
	Upstreams []Upstream
	// PriceList writes the prices of sound and videos as providers of several models do: what has no meaning is empty, and
	// a video has its unit and rows.
	PriceList bool
	// Film is how videos are priced; nil: by the second, times a ratio by the size.
	Film *FilmPrices
	// Canonical is another name that the model answers to. Like real providers that have one, this one then decodes and
	// encodes every chat request.
	Canonical string
	// ContextLength and MaxTokens are what the catalogue says of a chat model; 0: 131072 and as good as none.
	ContextLength, MaxTokens int
	// JobPolls is how often somebody has to ask for a video, or for an asynchronous job, until it is done; 0: 2.
	JobPolls int
	// JobDelay, when set, is how long after its request a job is done instead, whether or not anybody asks.
	JobDelay time.Duration
	// JobQueue is how many asynchronous jobs there may be that are not done; 0: 100, negative: there are none.
	JobQueue int
	// ModelExpiry, when set, is when requests begin to be refused because the model is gone.
	ModelExpiry time.Time
	// TokenDelay is the pause before each token of an answer.
	TokenDelay time.Duration

	Chain  Chain
	Listen string // TCP address; empty: "127.0.0.1:0"
	Front  *Front // serves the provider at a URL that it shares with others, instead of Listen

	Reserve      zg.Neuron // what a sub-account must hold beyond what is owed; zero: 1 0G
	Limits       Limits
	Whitelist    []common.Address // wallets that pay nothing and have no limits
	AccountCache time.Duration    // how long sub-account and service are believed; 0: 1 s, negative: not at all
	SettleEvery  time.Duration    // 0: only when Settle is called
	// SettleLag is how long after its receipt a settlement's fees are still claimed, and wanted on top of the reserve,
	// until they are deleted: the chain shows them as taken meanwhile.
	SettleLag time.Duration
	// ReserveOnRow claims what a request for sound or a video has to be covered for while it, or its job, is under way.
	// The reserve is never taken; the fee replaces it. Without this, a job is claimed at nothing until it ends.
	ReserveOnRow bool
	// ReleaseEvery gives up one fee of so many instead of taking it, with the next settlement; 0: none.
	ReleaseEvery int
	// PruneAfter gives up, with the next settlement, fees that could not be taken for so long; 0: never.
	PruneAfter time.Duration

	// ReencodeRequests makes the provider decode and encode every chat request, as those with an upstream model id do.
	ReencodeRequests bool
	Centralized      *Centralized
	// TargetKey, when set, makes this a provider whose model has an enclave of its own: it signs, under the answer's own
	// id, and answers carry no ZG-Res-Key.
	TargetKey *ecdsa.PrivateKey
	// TargetModelID puts the model's id in front of the texts that TargetKey signs.
	TargetModelID bool
	// Unsigned makes this a standard provider, which signs nothing.
	Unsigned bool
	// UnsignedText leaves transcripts that are not JSON without a signature, as brokers do.
	UnsignedText bool
	// UnsignedRelay leaves the transcripts of a centralized provider without one, as older brokers do.
	UnsignedRelay bool

	SignatureTTL   time.Duration // how long signatures can be asked for; 0: 20 minutes
	SignatureDelay time.Duration // how long after an answer its signature appears

	Now func() time.Time // nil: time.Now
	Log zerolog.Logger   // for settlements that fail in the background
}

const (
	defaultAccountCache = time.Second
	defaultSignatureTTL = 20 * time.Minute
	imageTTL            = time.Hour
	maxBody             = 32 << 20 // largest request
	maxDrain            = 10 << 20 // what is still read of an answer once its client has left
	maxKept             = 1 << 16  // signatures, images and records that are kept in memory
)

var defaultBehaviour = map[zg.ServiceType]Behaviour{
	zg.Chatbot: Echo, zg.TextToImage: Pictures, zg.ImageEditing: Pictures, zg.SpeechToText: Transcribe, zg.Embedding: Vectors,
	zg.AudioGeneration: Voice, zg.VideoGeneration: Film, zg.Decisions: Judge,
}

// withDefaults checks cfg and fills in what was left out.
func (cfg Config) withDefaults() (Config, error) {
	switch {
	case cfg.Key == nil || cfg.TEEKey == nil:
		return cfg, errors.New("simprovider: Key and TEEKey are needed")
	case cfg.Chain == nil:
		return cfg, errors.New("simprovider: Chain is needed")
	case cfg.Model == "":
		return cfg, errors.New("simprovider: Model is needed")
	case defaultBehaviour[cfg.Type] == "":
		return cfg, errors.New("simprovider: no model serves type " + string(cfg.Type))
	}
	if cfg.Behaviour == "" {
		cfg.Behaviour = defaultBehaviour[cfg.Type]
	}
	if !cfg.Behaviour.serves(cfg.Type) {
		return cfg, errors.New("simprovider: " + string(cfg.Behaviour) + " does not serve type " + string(cfg.Type))
	}
	cfg.deriveKey()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Reserve.IsZero() {
		cfg.Reserve = zg.OneOG
	}
	if cfg.AccountCache == 0 {
		cfg.AccountCache = defaultAccountCache
	}
	if cfg.SignatureTTL == 0 {
		cfg.SignatureTTL = defaultSignatureTTL
	}
	if cfg.Limits.Burst == 0 {
		cfg.Limits.Burst = 5
	}
	if cfg.ContextLength == 0 {
		cfg.ContextLength = 131072
	}
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = defaultLimit
	}
	if cfg.JobPolls == 0 {
		cfg.JobPolls = 2
	}
	if cfg.JobQueue == 0 {
		cfg.JobQueue = 100
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg, nil
}

func (b Behaviour) serves(t zg.ServiceType) bool {
	switch b {
	case Lorem:
		return t == zg.Chatbot
	case TranscribeTokens:
		return t == zg.SpeechToText
	default:
		return defaultBehaviour[t] == b
	}
}

// price is what the named model costs; false when it is not served.
func (cfg Config) price(model string) (zg.Price, bool) {
	if model == cfg.Model || cfg.Canonical != "" && model == cfg.Canonical {
		if len(cfg.Upstreams) > 0 {
			return cheapest(cfg.Upstreams).Price, true
		}
		return cfg.Price, true
	}
	p, ok := cfg.Also[model]
	return p, ok
}
