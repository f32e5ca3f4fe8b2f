package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/growth"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// headers are no longer than both servers and transports take; nor are the URLs in them.
const growthHeader = 1 << 20

var growthNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// readers are the ways in for what the proxy itself reads of callers and providers.
var readers = []growth.Reader{
	{Name: "a refusal", Most: maxRefusal, Read: func(text []byte) {
		resp := &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}}
		_, _ = refusalError(resp, text, zg.RefusalDetail{Class: zg.RefusalRequest, Message: string(text)}, "0x01", zg.Credential{})
	}},
	{Name: "an error in a stream", Read: func(text []byte) { streamFailure(text) }},
	{Name: "the state of images", Most: maxJobDocument, Read: func(text []byte) { imagesStatus(text) }},
	{Name: "media in a request", Read: func(text []byte) { billing.HasMedia(text) }},
	{Name: "words for people", Read: func(text []byte) { quotable(string(text)) }},
	{Name: "a path", Most: growthHeader, Read: func(text []byte) {
		_ = errUnknownRoute("GET", string(text))
		tidy(&url.URL{Path: string(text)})
		hasID(string(text))
	}},
	{Name: "headers of an answer", Most: growthHeader, Read: func(text []byte) {
		h := http.Header{}
		for _, name := range slices.Concat(responseHeaders, recordedHeaders, []string{"Content-Type", "Retry-After-Ms"}) {
			h[name] = []string{string(text)}
		}
		for _, name := range []string{"Limit", "Remaining", "Reset"} {
			h["X-Ratelimit-"+name+"-Requests"] = []string{string(text)}
		}
		copyResponseHeader(http.Header{}, h)
		saidIn(h)
		saidWait(h, growthNow)
		allowance(h, growthNow)
		audioUsage(h)
		baseType(h.Get("Content-Type"))
		billing.ReadToldFee([]string{string(text)})
	}},
	{Name: "headers of a request", Most: growthHeader, Read: func(text []byte) {
		r := &http.Request{ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Te": {string(text)}, "Authorization": {string(text)}, "Origin": {string(text)}, "Content-Type": {string(text)},
		}}
		takesTrailers(r)
		callerKey(r)
		upstreamHeader(r.Header, "", "")
	}},
}

func growthShapes() []growth.Shape {
	return slices.Concat(growth.Values,
		growth.In(`{"error":`, growth.Values, "}"),
		growth.In(`{"error":{"type":"invalid_request_error","message":`, growth.Values, "}}"),
		growth.In(`{"a":`, growth.Values, `,"status":"completed"}`),
		[]growth.Shape{
			{Name: "types", Unit: `"type" : "text",`},
			{Name: "types and blanks", Open: `"type"`, Unit: "  "},
			{Name: "types without a value", Unit: `"type"`},
			{Name: "tokens", Unit: "app-sk-"},
			{Name: "a long token", Open: "app-sk-", Unit: "A"},
			{Name: "codings", Unit: "a,"},
			{Name: "lengths of time", Unit: "1h1m1s"},
			{Name: "segments", Unit: "/v1"},
			{Name: "slashes", Open: "/v1/videos", Unit: "/"},
		})
}

// The work for what the proxy reads grows with its length and no faster, whatever it is.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range readers {
		growth.Check(t, r, growthShapes()...)
	}
}

// FuzzWork looks for texts whose work grows faster than their length.
func FuzzWork(f *testing.F) { growth.Fuzz(f, readers, growthShapes()...) }
