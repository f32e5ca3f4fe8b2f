package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrRPC means that the endpoint could not be reached, or refused or garbled its answer for reasons of its own. It says
// nothing about the state of the chain.
var ErrRPC = zg.ErrRPC

// errPage is what web servers say where a JSON-RPC endpoint should be: another URL was meant, or a gateway before it
// speaks.
var errPage = errors.New("a web page (HTML), not JSON-RPC")

// isPage reports whether a body is one.
func isPage(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("<")) }

// errTooLarge is the end of an answer beyond maxAnswer.
var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)

const (
	maxAnswer  = 16 << 20 // bytes of one JSON-RPC answer; a full page of services is far below
	maxMessage = 300      // characters of an endpoint's own words
)

// newHTTPClient makes a client that reads bounded answers and follows no redirects: what is signed and sent goes to an
// endpoint that was configured. base is nil, or a client whose transport is used. It keeps no cookies: those of one
// endpoint are not another's.
func newHTTPClient(base *http.Client) *http.Client {
	hc := &http.Client{}
	if base != nil {
		hc.Transport, hc.Timeout = base.Transport, base.Timeout
	}
	if hc.Transport == nil {
		hc.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		}
	}
	hc.Transport = limited{router{hc.Transport}}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return hc
}

// limited keeps an endpoint from filling the memory.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	noteAdvice(r, resp)
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// nodeError is a JSON-RPC error object: the endpoint was reached, understood the call and refused it.
type nodeError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

func (e *nodeError) Error() string {
	return fmt.Sprintf("%s (code %d)", zg.OneLine(e.Message, maxMessage), e.Code)
}
func (e *nodeError) ErrorCode() int { return e.Code }
func (e *nodeError) ErrorData() any { return e.Data }

// ErrReverted means that the contract ended a call without saying why. The endpoint is well, and whatever was asked is
// not known.
var ErrReverted = fmt.Errorf("%w without saying why (it may have been upgraded, or a call inside ran out of gas)", zg.ErrContract)

// revertCode is the JSON-RPC code of a call that the contract, or the machine it runs on, ended.
const revertCode = 3

// refusedByCode reports a call that ran and was ended without a reason that could be read: the address is that of a
// contract without this function, or a call inside ran out of gas.
func refusedByCode(err error) bool {
	e, ok := errors.AsType[*nodeError](err)
	return ok && e.Code == revertCode
}

// reverted reports a refusal of the contract without data, by code or, from nodes that have none for it, by the words
// that they all have.
func reverted(e *nodeError) bool {
	return e.Code == revertCode || strings.HasPrefix(strings.ToLower(e.Message), "execution reverted")
}

// explain turns what the RPC library returns into errors that may be logged: in the contract's own terms where it
// refused, else bounded and printable, and without the endpoint's URL, which may hold a key.
func explain(err error, timeout time.Duration) error {
	if err == nil || errors.Is(err, ErrNoContract) || errors.Is(err, ErrWrongNetwork) {
		return err
	}
	if httpErr, ok := errors.AsType[rpc.HTTPError](err); ok {
		var body struct {
			Error *nodeError `json:"error"`
		}
		if json.Unmarshal(httpErr.Body, &body) != nil || body.Error == nil {
			if isPage(httpErr.Body) {
				return fmt.Errorf("%w: HTTP status %d with %w", ErrRPC, httpErr.StatusCode, errPage)
			}
			return fmt.Errorf("%w: HTTP status %d", ErrRPC, httpErr.StatusCode)
		}
		err = body.Error // some gateways put an error's code into the status as well
	}
	if r, ok := DecodeRevert(err); ok {
		return r
	}
	known, ok := errors.AsType[*nodeError](err)
	if !ok {
		if node, isNode := errors.AsType[rpc.Error](err); isNode {
			known, ok = &nodeError{Code: node.ErrorCode(), Message: node.Error()}, true
		}
	}
	switch {
	case ok && reverted(known):
		return fmt.Errorf("%w: %w", ErrReverted, known)
	case ok:
		return fmt.Errorf("%w: %w", ErrRPC, known)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no answer within %s: %w", ErrRPC, timeout, context.DeadlineExceeded)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset == 1 && strings.Contains(syntax.Error(), "'<'") {
		return fmt.Errorf("%w: its answer is %w", ErrRPC, errPage)
	}
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("%w: %w", ErrRPC, errTooLarge)
	}
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		err = withURL.Err
	}
	return fmt.Errorf("%w: %w", ErrRPC, zg.CleanError(err, maxMessage))
}
