package proxy

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// coverable refuses what no provider's signature could cover, before anything is paid for it.
func (c *call) coverable() error {
	row := zg.CoverageOf(c.op.kind, c.op.path, c.op.job, c.format)
	switch {
	case !row.Never():
		return nil
	case row.Instead == "":
		return errUnsignedOperation(c.op)
	}
	e := problem("format_unsigned", fmt.Sprintf("Providers sign no answer to %s with response_format=%s, so it cannot be verified, and "+
		"ZGPROXY_VERIFY=enforce withholds such answers. Nothing was sent and nothing spent. Ask with response_format=%s, or set "+
		"ZGPROXY_VERIFY=observe.", c.op.path, shown(c.format), formats(row)))
	e.Param = "response_format"
	return e
}

// formats names what to ask for instead.
func formats(row zg.CoverageRow) string {
	if row.Instead == "json" {
		return "json or verbose_json"
	}
	return row.Instead
}

func errUnsignedOperation(op operation) *APIError {
	return problem("operation_unsigned", "Providers sign nothing of what "+op.path+" is for, so it cannot be verified, and ZGPROXY_VERIFY=enforce gives no such "+
		"answer to anybody. Nothing was sent and nothing spent. Set ZGPROXY_VERIFY=observe to use it.")
}

// covering are the offers of those whose signature can cover what is asked for at this path: not all can that sign
// other answers of the same type.
func (c *call) covering(offers []*route.Offer) ([]*route.Offer, error) {
	row := zg.CoverageOf(c.op.kind, c.op.path, c.op.job, c.format)
	out := make([]*route.Offer, 0, len(offers))
	for _, o := range offers {
		if row.By(o.Service.Info.Enclave()) != zg.NeverCovers {
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		return nil, errUncovered(c.op)
	}
	return out, nil
}

func errUncovered(op operation) *APIError {
	instead := ""
	if op.path == messagesPath {
		instead = "ask for the same at POST /v1/chat/completions, "
	}
	return problem("provider_unsigned", "The models of these providers have enclaves of their own, which sign no answers to "+
		op.path+" as far as is known, and ZGPROXY_VERIFY=enforce withholds such answers. Nothing was sent and nothing "+
		"spent. Use another provider, "+instead+"or set ZGPROXY_VERIFY=observe.")
}

// How long a provider that announced no signature is not asked for the same type again. Its program may be replaced.
const keylessFor = time.Hour

// keyless remembers, where verification is enforced, which providers have announced no signature although others of
// their kind do: only an answer shows that, so one is paid for, and no more.
type keyless struct {
	mu    sync.Mutex
	until map[keylessAs]time.Time
}

type keylessAs struct {
	provider common.Address
	kind     zg.ServiceType
}

// note takes what an answer showed.
func (k *keyless) note(o *route.Offer, j zg.Judgement, now time.Time) {
	row := zg.CoverageOf(o.Service.Type, "", false, "")
	if j.Verdict != zg.VerdictNotSigned || row.By(o.Service.Info.Enclave()) != zg.MayCover {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.until == nil {
		k.until = map[keylessAs]time.Time{}
	}
	k.until[keylessAs{o.Service.Provider, o.Service.Type}] = now.Add(keylessFor)
}

// without are the offers of those of whom nothing speaks against it that they sign.
func (k *keyless) without(offers []*route.Offer, now time.Time) []*route.Offer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.until) == 0 {
		return offers
	}
	out := make([]*route.Offer, 0, len(offers))
	for _, o := range offers {
		if !now.Before(k.until[keylessAs{o.Service.Provider, o.Service.Type}]) {
			out = append(out, o)
		}
	}
	return out
}

func errKeyless() *APIError {
	return problem("provider_unsigned", "The providers of this model have announced no signature with their last answer of this type, which older programs "+
		"of such providers do not make, and ZGPROXY_VERIFY=enforce withholds such answers. Nothing was sent and nothing spent. Use another "+
		"provider, or set ZGPROXY_VERIFY=observe. They are tried again after an hour.")
}
