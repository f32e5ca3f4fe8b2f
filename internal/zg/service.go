package zg

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// ServiceType is the kind of inference a provider sells, as written on chain. A provider serves exactly one.
type ServiceType string

// The service types known to serve inference. Others may appear on chain; they are listed but not routed.
const (
	Chatbot         ServiceType = "chatbot"
	TextToImage     ServiceType = "text-to-image"
	ImageEditing    ServiceType = "image-editing"
	SpeechToText    ServiceType = "speech-to-text"
	Embedding       ServiceType = "embedding"
	Decisions       ServiceType = "decisions"
	AudioGeneration ServiceType = "audio-generation"
	VideoGeneration ServiceType = "video-generation"
)

// ServiceTypes are all that are known, in the order in which they are listed. Whatever has to treat each of them
// switches over all of them, which the linter checks.
func ServiceTypes() []ServiceType {
	return []ServiceType{
		Chatbot, TextToImage, ImageEditing, SpeechToText, Embedding, Decisions, AudioGeneration, VideoGeneration,
	}
}

// Service is one provider's offer as registered on chain (the contract's Service struct).
type Service struct {
	Provider      common.Address
	Type          ServiceType
	URL           string // base URL without a trailing slash; inference lives under URL + "/v1/proxy"
	InputPrice    Neuron // per input token (per second or token for speech-to-text)
	OutputPrice   Neuron // per output token, or per image
	UpdatedAt     time.Time
	Model         string
	Verifiability string // "TeeML", "OpML", "ZKML", or something that cannot be verified
	Info          ServiceInfo
	// TEESigner is the key that signs answers. It means something only while TEESignerAcknowledged: the owner of the
	// contract vouches for it, and a critical change of the service clears the flag.
	TEESigner             common.Address
	TEESignerAcknowledged bool
}

// ServiceInfo is the part of the on-chain additionalInfo JSON that changes how a service is used. Text that is not JSON
// reads as the zero value: old providers put other things there.
type ServiceInfo struct {
	TargetSeparated  bool
	TargetTEEAddress common.Address
	ProviderType     string // "", "decentralized", "centralized" or "standard"
	MultiModel       bool
	Dollars          bool // its prices are in dollars; those on chain are what they were worth when it last wrote them
	Tiers            []Tier
	CacheDivisor     uint64
}

// Centralized reports whether the provider relays to a cloud vendor: its TEE attests the relay, not the model.
func (i ServiceInfo) Centralized() bool { return strings.EqualFold(i.ProviderType, "centralized") }

// Separated reports whether the model runs in an enclave of its own, which signs its answers.
func (i ServiceInfo) Separated() bool { return i.TargetSeparated && !i.Centralized() }

// Standard reports whether the provider signs nothing at all.
func (i ServiceInfo) Standard() bool { return strings.EqualFold(i.ProviderType, "standard") }

// What is read of a service's additionalInfo.
const (
	longestInfo = 64 << 10
	mostTiers   = 100
)

// unread stands for steps of a price that were not read: no request is affordable by them, so none is sent.
var unread = []Tier{{Input: Ratio{Num: math.MaxUint64, Den: 1}, Output: Ratio{Num: math.MaxUint64, Den: 1}}}

// ParseServiceInfo reads a service's additionalInfo. Unknown keys are ignored, keys of the wrong type are skipped one
// by one, so that one odd field does not hide the others. Whoever registers writes it, so it is read up to 64 KiB.
func ParseServiceInfo(text string) ServiceInfo {
	var info ServiceInfo
	var raw map[string]json.RawMessage
	if len(text) > longestInfo {
		info.Tiers = unread
		return info
	}
	if json.Unmarshal([]byte(text), &raw) != nil {
		return info
	}
	read := func(key string, into any) { _ = json.Unmarshal(raw[key], into) } // wrong type: field stays zero, by design
	read("TargetSeparated", &info.TargetSeparated)
	read("ProviderType", &info.ProviderType)
	read("MultiModel", &info.MultiModel)
	var denomination string
	read("priceDenomination", &denomination)
	info.Dollars = strings.EqualFold(denomination, "USD")
	var target string
	if read("TargetTeeAddress", &target); common.IsHexAddress(target) {
		info.TargetTEEAddress = common.HexToAddress(target)
	}
	var tiered struct {
		Tiers json.RawMessage `json:"tiers"`
	}
	read("tieredPricing", &tiered)
	info.Tiers = parseTiers(tiered.Tiers)
	var cache struct {
		Divisor uint64 `json:"divisor"`
	}
	read("cacheTokenBilling", &cache)
	info.CacheDivisor = cache.Divisor
	return info
}

// parseTiers reads the steps of a price, one after the other: a short text can have very many. More than mostTiers are
// unread.
func parseTiers(text []byte) (tiers []Tier) {
	in := json.NewDecoder(bytes.NewReader(text))
	if begin, err := in.Token(); err != nil || begin != json.Delim('[') {
		return nil
	}
	for in.More() {
		var t struct {
			MaxInputTokens              uint64 `json:"maxInputTokens"`
			InputMultiplier             uint64 `json:"inputMultiplier"`
			InputMultiplierDenominator  uint64 `json:"inputMultiplierDenominator"`
			OutputMultiplier            uint64 `json:"outputMultiplier"`
			OutputMultiplierDenominator uint64 `json:"outputMultiplierDenominator"`
		}
		err := in.Decode(&t)
		if _, odd := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !odd {
			return nil
		}
		if len(tiers) == mostTiers {
			return unread
		}
		tiers = append(tiers, Tier{
			MaxInputTokens: t.MaxInputTokens,
			Input:          Ratio{t.InputMultiplier, t.InputMultiplierDenominator},
			Output:         Ratio{t.OutputMultiplier, t.OutputMultiplierDenominator},
		})
	}
	return tiers
}

// Price is what the service charges according to the chain.
func (s Service) Price() Price {
	return Price{
		Input: s.InputPrice, Output: s.OutputPrice, Tiers: s.Info.Tiers, Cache: CacheBilling{Divisor: s.Info.CacheDivisor},
		Floating: s.Info.Dollars,
	}
}

// Signer is the address whose signature over an answer counts: the separate model enclave where there is one, else the
// TEE signer of the service. ok is false when nobody's does.
func (s Service) Signer() (addr common.Address, ok bool) {
	switch s.Verifiability {
	case "TeeML", "OpML", "ZKML":
	default:
		return common.Address{}, false
	}
	if s.Info.Standard() || !s.TEESignerAcknowledged {
		return common.Address{}, false
	}
	if s.Info.Separated() && s.Info.TargetTEEAddress != (common.Address{}) {
		return s.Info.TargetTEEAddress, true
	}
	return s.TEESigner, s.TEESigner != (common.Address{})
}
