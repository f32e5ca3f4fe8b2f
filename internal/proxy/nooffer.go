package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// noOfferError says why no offer serves a request, in words for its caller.
func noOfferError(e *route.NoOffer) *APIError {
	var out *APIError
	q := e.Query
	switch e.Reason {
	case route.NoModel:
		out = errNoModel()
		out.Message += available(e)
	case route.Suspended:
		out = errSuspended(e.Offers[0])
	case route.Unsigned:
		out = errUnsigned(e.Offers[0])
	case route.NotAllowed:
		out = errNotAllowed(q.Model, e.Offers, e.AllowList)
	case route.Ambiguous:
		out = problem("model_ambiguous", fmt.Sprintf("The name `%s` stands for several models. Use the whole name of one of them.%s", shown(q.Model), available(e)))
	case route.NoPin:
		out = errNotOffered(e)
	case route.NoneOfType:
		out = errNotServed(e)
	case route.Unknown:
	}
	if out == nil {
		out = errUnknownModel(e)
	}
	out.Param = "model"
	return out
}

func errUnknownModel(e *route.NoOffer) *APIError {
	hint := available(e)
	if hint == "" {
		hint = fmt.Sprintf(" No allowed provider offers a %s model.", e.Query.Type)
	}
	if e.Elsewhere != "" {
		return problem("model_not_found", fmt.Sprintf("The model `%s` is a %s model; this URL serves %s models.%s",
			shown(e.Query.Model), e.Elsewhere, e.Query.Type, hint))
	}
	return problem("model_not_found", fmt.Sprintf("The model `%s` does not exist or you do not have access to it.%s",
		shown(e.Query.Model), hint))
}

// available names a few models that would be served; empty: none is known.
func available(e *route.NoOffer) string {
	if len(e.Available) == 0 {
		return ""
	}
	list := strings.Join(e.Available[:min(len(e.Available), 10)], ", ")
	if more := len(e.Available) - 10; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return " Available here: " + list + "."
}

// errNotOffered says that who was pinned, by a header or by the name itself, does not offer the model, and who does.
func errNotOffered(e *route.NoOffer) *APIError {
	text := fmt.Sprintf("The provider that `%s` asks for does not offer the model.", shown(e.Query.Model))
	if e.Query.Pin != "" {
		text = fmt.Sprintf("The provider `%s` that was asked for does not offer the model `%s`.", shown(e.Query.Pin), shown(e.Query.Model))
	}
	if len(e.Available) > 0 {
		text += " It is offered by " + strings.Join(e.Available[:min(len(e.Available), 3)], ", ") + "."
	}
	return problem("provider_not_found", text)
}

// errNotServed says that nobody who is allowed serves such models at all, and what is served.
func errNotServed(e *route.NoOffer) *APIError {
	text := fmt.Sprintf("No allowed provider serves this URL: none of them offers a model of type %s. GET /v1/models lists what can be used, with its type.", e.Query.Type)
	if len(e.Types) > 0 {
		text += " There are models of these types: " + typeNames(e.Types) + "."
	}
	return problem("type_not_served", text)
}

// labels names a few of those who make the offers.
func labels(offers []*route.Offer) string {
	var who []string
	for _, o := range offers[:min(len(offers), 3)] {
		who = append(who, o.Label)
	}
	return strings.Join(who, ", ")
}

// busyError says that nobody can take a request now, and when somebody may.
func busyError(e *route.Busy) *APIError {
	why := "has failed repeatedly and is retried periodically"
	switch e.Cause {
	case route.Paced:
		why = "has as many requests of this wallet as it accepts at a time"
	case route.Paused:
		if class := zg.Refusal(e.Why); e.Offer != nil && refusalWords[class] != "" {
			return pausedError(class, e)
		}
		why = "asked to wait, or refused for a reason that takes time to fix"
	case route.Down:
	}
	who := "Every provider of this model"
	if e.Offer != nil && e.Offer.Label != "" {
		who = "No provider of this model can take the request now. The first that may again, " + e.Offer.Label + ","
	}
	out := problem("provider_"+string(e.Cause), who+" "+why+". Nothing was sent and nothing spent.")
	out.RetryAfter = max(e.RetryAfter, time.Second)
	return out
}

// pausedError says what the provider refused an earlier request for that it is left alone because of.
func pausedError(class zg.Refusal, e *route.Busy) *APIError {
	out := problem(string(class), refusedWords(class, e.Offer.Label)+". It said so to an earlier request and is asked again later. "+
		"Nothing was sent and nothing spent.")
	out.Refusal, out.RetryAfter = class, max(e.RetryAfter, time.Second)
	return out
}

func errSuspended(o *route.Offer) *APIError {
	s := o.Suspension
	text := fmt.Sprintf("Provider %s gets no requests since %s: %s", o.Label, s.At.UTC().Format(time.RFC3339), strings.TrimSuffix(s.Reason, "."))
	if s.RequestID != "" {
		text += " (" + s.RequestID + ")"
	}
	if s.Code == zg.SuspendedUnacked {
		return problem("provider_waiting", text+". Nothing was sent and nothing spent. Use the model of another provider meanwhile.")
	}
	return problem("provider_suspended", text+fmt.Sprintf(". Nothing was sent and nothing spent. If you trust it as it is now: zgproxy provider accept %s. "+
		"Or use the model of another provider.", o.Label))
}

func errUnsigned(o *route.Offer) *APIError {
	if o.Endpoint != "" {
		return problem("provider_unsigned", fmt.Sprintf("The model is served by the direct endpoint %s only, which does not sign its answers, and "+
			"ZGPROXY_VERIFY=enforce withholds such answers. Nothing was sent. Use a model of a provider that signs (GET /v1/models shows "+
			"signed), or set ZGPROXY_VERIFY=observe.", o.Endpoint))
	}
	if o.Signed {
		return problem("provider_unsigned", fmt.Sprintf("The signatures of provider %s do not cover answers of type %s, so nothing it answers can be "+
			"verified, and ZGPROXY_VERIFY=enforce withholds such answers. Nothing was sent and nothing spent. Use another provider "+
			"(docs/verification.md tells who signs what), or set ZGPROXY_VERIFY=observe.", o.Label, o.Service.Type))
	}
	return problem("provider_unsigned", fmt.Sprintf("Provider %s signs no answers, so nothing it answers can be verified, and ZGPROXY_VERIFY=enforce gives no such "+
		"answer to anybody. Nothing was sent and nothing spent. Use a provider that signs (GET /v1/models shows signed), or set ZGPROXY_VERIFY=observe.", o.Label))
}

func errNotAllowed(model string, found []*route.Offer, allowed int) *APIError {
	who := labels(found)
	if allowed == 0 {
		return problem("no_provider_allowed", fmt.Sprintf("No provider is allowed to be paid yet. Set ZGPROXY_PROVIDERS to the addresses you consent to pay "+
			"(or serve --provider ADDRESS) and restart. The model `%s` is offered by %s.", shown(model), who))
	}
	return problem("provider_not_allowed", fmt.Sprintf("The model `%s` is offered by %s, which you have not allowed to be paid. "+
		"Add the provider to ZGPROXY_PROVIDERS (or serve --provider ADDRESS) and restart.", shown(model), who))
}
