package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-chi/chi/v5"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/sse"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is fetched is not inference: nothing is billed, recorded or verified.
var (
	jobID      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	imageKey   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	imageIndex = regexp.MustCompile(`^[0-9]{1,4}$`)
)

var fetches = []operation{
	{path: "/v1/videos/{id}", kind: zg.VideoGeneration, serve: (*call).getVideo},
	{path: "/v1/videos/{id}/content", kind: zg.VideoGeneration, serve: (*call).getVideoContent},
	{path: "/v1/async/jobs/{id}", kind: zg.TextToImage, serve: (*call).getAsyncJob},
	{path: "/v1/images/{provider}/{key}/{index}", kind: zg.TextToImage, serve: (*call).getImage},
}

// fetchIdle is how long a provider may send nothing of what it has ready.
const fetchIdle = time.Minute

// getVideo asks how far a video is.
func (c *call) getVideo() error { return c.getJob("/v1/proxy/videos/", "") }

// getVideoContent gets a video that is ready.
func (c *call) getVideoContent() error { return c.getJob("/v1/proxy/videos/", "/content") }

// getAsyncJob asks how far an image job is.
func (c *call) getAsyncJob() error { return c.getJob("/v1/async/jobs/", "") }

func (c *call) getJob(before, after string) error {
	id := chi.URLParam(c.r, "id")
	if !jobID.MatchString(id) || strings.Contains(id, "..") {
		return errNoJob(id)
	}
	offer, err := c.jobOffer(id)
	if err != nil {
		return err
	}
	c.offer = offer
	bearer, err := c.bearer(c.r.Context())
	if err != nil {
		return err
	}
	u := offer.Service.URL + before + url.PathEscape(id) + after
	if q := c.r.URL.RawQuery; q != "" {
		u += "?" + q
	}
	if after != "" {
		return c.fetch(u, bearer, nil)
	}
	var doc jobDocument
	if err := c.fetch(u, bearer, &doc); err != nil || c.status != http.StatusOK {
		return err
	}
	c.jobSeen(id, &doc)
	return nil
}

// jobOffer finds who has a job: the record of its making says so. Where there is no record, it is the provider that the
// caller names, or the only one that may have it.
func (c *call) jobOffer(id string) (*route.Offer, error) {
	at := c.r.Header.Get(providerHeader)
	if c.srv.cfg.Receipt != nil && at == "" {
		r, ok, err := c.srv.cfg.Receipt(c.r.Context(), id)
		if err != nil {
			return nil, fmt.Errorf("look for the record of a job: %w", err)
		}
		if ok {
			at = r.Provider
		}
	}
	var found *route.Offer
	for _, o := range c.srv.Routes().Offers() {
		kind := o.Service.Type
		if !o.Allowed || o.Suspension != nil || o.Endpoint != "" || (at != "" && !strings.EqualFold(o.Label, at)) {
			continue
		}
		if video := c.op.kind == zg.VideoGeneration; video != (kind == zg.VideoGeneration) || (!video && kind != zg.TextToImage && kind != zg.ImageEditing) {
			continue
		}
		if found != nil && found.Service.Provider != o.Service.Provider {
			return nil, errNoJob(id)
		}
		found = o
	}
	if found == nil {
		return nil, errNoJob(id)
	}
	return found, nil
}

// getImage gets a picture that a provider keeps. Its key is the permission to see it, so that nothing else is asked
// for.
func (c *call) getImage() error {
	provider, key, index := chi.URLParam(c.r, "provider"), chi.URLParam(c.r, "key"), chi.URLParam(c.r, "index")
	if common.IsHexAddress(provider) && imageKey.MatchString(key) && imageIndex.MatchString(index) {
		for _, o := range c.srv.Routes().Offers() {
			if o.Allowed && o.Endpoint == "" && o.Service.Provider == common.HexToAddress(provider) {
				c.offer = o
				return c.fetch(o.Service.URL+"/v1/proxy/images/"+key+"/"+index, "", nil)
			}
		}
	}
	return problem("image_not_found", "There is no such image. Providers keep images for a limited time.")
}

// fetch gets something from the offer's provider and passes it on as it comes, with a copy of it into seen, if any.
func (c *call) fetch(u, bearer string, seen io.Writer) error {
	if c.srv.cfg.Enforce {
		return errUnsignedOperation(c.op)
	}
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	idle := time.AfterFunc(fetchIdle, func() { cancel(errIdle) })
	defer idle.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return fmt.Errorf("build the request for %.200q: %w", u, err)
	}
	req.Header = upstreamHeader(c.r.Header, bearer, c.srv.cfg.UserAgent)
	pick(req.Header, c.r.Header, "Range", "If-Range", "If-None-Match", "If-Modified-Since")
	if strings.Contains(req.Header.Get("Range"), ",") {
		delete(req.Header, "Range") // the answer would be of many parts, and of a type that is not passed on
	}
	c.sent = zg.CredentialOf(bearer)
	resp, err := c.srv.cfg.Transport.RoundTrip(req)
	if err != nil {
		e := problem("provider_unreachable", "The provider that has it could not be reached. Try again in a moment.")
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			e = problem("too_many_connections", "So much is under way that no connection to the provider can be made now. Try again in a moment.")
		}
		e.Cause, e.RetryAfter = err, time.Second
		return e
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read as far as it will be
	cleanHeader(resp.Header, c.sent)
	h := c.w.Header()
	h[providerHeader] = []string{c.offer.Label}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
	default:
		r, detail := c.refusal(ctx, resp)
		c.dropToken(bearer, detail.Class)
		return c.refusedSetback(r, detail)
	}
	body := io.Reader(resp.Body)
	if seen != nil { // a document that may say what became of the request, and what it was asked with
		begins, err := io.ReadAll(io.LimitReader(resp.Body, maxJobDocument))
		if err != nil || c.sent.In(string(begins)) {
			return errJobDocument(err)
		}
		body = io.MultiReader(bytes.NewReader(begins), resp.Body)
	}
	begun := false
	begin := func() { // as late as it can be: who breaks off before is told of in words
		if begun {
			return
		}
		begun = true
		copyResponseHeader(h, resp.Header)
		pick(h, resp.Header, "Content-Length", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified")
		c.status = resp.StatusCode
		c.w.WriteHeader(resp.StatusCode)
	}
	buf := c.srv.buffers.Get().(*[]byte)
	defer c.srv.buffers.Put(buf)
	control := http.NewResponseController(c.w)
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			idle.Reset(fetchIdle)
			_ = control.SetWriteDeadline(time.Now().Add(c.srv.writeTimeout)) // not supported: the connection's own limits hold
			c.bytes += int64(n)
			if seen != nil {
				_, _ = seen.Write((*buf)[:n]) // into memory
			}
			begin()
			if _, err := c.w.Write((*buf)[:n]); err != nil {
				c.code = "caller_left"
				return nil // nobody to tell
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			begin()
			return nil
		}
		if err != nil && !begun {
			e := problem("provider_unreachable", "The provider that has it began to answer and broke off before the first byte. Try again in a moment.")
			e.Cause, e.RetryAfter = err, time.Second
			return e
		}
		if err != nil {
			c.code, c.cause = "truncated", err
			_ = control.Flush()         // else a caller of something small would not even see that there was an answer
			panic(http.ErrAbortHandler) // what came is less than was announced
		}
	}
}

// errJobDocument is what is said of a job where that cannot be passed on: it broke off, or it repeats the session
// token.
func errJobDocument(cause error) *APIError {
	e := problem(string(zg.RefusalUpstream), "What the provider says of the job repeats the wallet's session token, so it is not "+
		"passed on. Ask the provider about it.")
	if cause != nil {
		e.Message, e.Cause = "What the provider says of the job broke off. Ask again in a moment.", cause
	}
	return e
}

func errNoJob(id string) *APIError {
	return problem("job_not_found", fmt.Sprintf("There is no record here of a job %s. Where it was made with another data directory, name its provider in the header %s.",
		shown(id), providerHeader))
}

// ownURLs puts URLs of ours in place of those at which the provider keeps the pictures of an answer, so that whoever
// can reach the proxy can see them. It comes after everything that is checked about the answer.
func (r *relaying) ownURLs(doc []byte) ([]byte, bool) {
	changed := false
	scheme := "http://"
	if r.r.TLS != nil {
		scheme = "https://"
	}
	out, err := sse.RewriteURLs(doc, func(old string) string {
		_, rest, ok := strings.Cut(old, "/v1/proxy/images/")
		key, index, two := strings.Cut(rest, "/")
		if !ok || !two || r.offer.Endpoint != "" || !imageKey.MatchString(key) || !imageIndex.MatchString(index) {
			return old
		}
		changed = true
		return scheme + r.r.Host + "/v1/images/" + r.offer.Label + "/" + key + "/" + index
	})
	if err != nil {
		return doc, false // it is no document of images: it passes as it is
	}
	return out, changed
}
