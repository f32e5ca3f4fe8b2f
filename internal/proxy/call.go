package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/request"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// bodyTimeout is how long a caller may take to send a body that has to be read before it can be forwarded.
const bodyTimeout = 5 * time.Minute

// call is one caller's request while it is under way. It belongs to the handler's goroutine.
type call struct {
	srv     *Server
	w       http.ResponseWriter
	r       *http.Request
	route   route
	id      string
	key     string // fingerprint of the caller's local key
	started time.Time

	offer     *Offer
	stream    bool
	status    int    // sent to the caller; 0: nothing was
	code      string // error code sent, or what went wrong with the provider's answer
	cause     error
	firstByte time.Duration
	bytes     int64
	booking   billing.Booking
	booked    bool
	fee       string // what was booked, as text
	judgement zg.Judgement
	plain     bool // the stream's lines are documents, not events
}

// parcel is what is sent to a provider.
type parcel struct {
	order       billing.Order
	contentType string
	body        io.Reader // a multipart body passing through, or nil
	bytes       []byte    // a JSON body, or nil
	length      int64     // -1: not known
	stripUsage  bool      // the usage chunk was asked for by us, not by the caller
	choices     uint64    // answers asked for
	digest      func() (sha [32]byte, n int64)
}

// serveJSON handles the routes whose request is one JSON document.
func (c *call) serveJSON() error {
	if t := baseType(c.r.Header.Get("Content-Type")); t != "application/json" && t != "" {
		return &APIError{
			Status: http.StatusUnsupportedMediaType, Type: typeRequest, Code: "unsupported_media_type",
			Message: "Send Content-Type: application/json with a JSON object.",
		}
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	asked, err := request.ScanJSON(body)
	if err != nil {
		return err
	}
	if !asked.HasModel || asked.Model == "" {
		return errNoModel()
	}
	c.offer, err = c.srv.Routes().Choose(c.route.kind, asked.Model)
	if err != nil {
		return err
	}
	chat := c.route.kind == zg.Chatbot
	c.stream = chat && asked.Stream
	sent := asked.Splice(c.offer.Model, c.stream)
	return c.exchange(parcel{
		order: c.order(asked.Stream, billing.BoundInput{
			BodyBytes: int64(len(sent)), MaxTokens: asked.MaxTokens, ModelMaxTokens: c.offer.MaxTokens,
			ContextLength: c.offer.ContextLength, N: asked.N, Images: asked.N, Media: chat && billing.HasMedia(sent),
		}),
		contentType: "application/json",
		bytes:       sent,
		length:      int64(len(sent)),
		stripUsage:  c.stream && !asked.IncludeUsage,
		choices:     asked.N,
		digest:      func() ([32]byte, int64) { return sha256.Sum256(sent), int64(len(sent)) },
	})
}

func (c *call) order(stream bool, in billing.BoundInput) billing.Order {
	return billing.Order{
		ID: c.id, Route: c.route.path, Key: c.key, Provider: c.offer.Service.Provider, Type: c.offer.Service.Type, Model: c.offer.Model,
		Stream: stream, Price: c.offer.Price, Bound: billing.Bound(c.offer.Service.Type, c.offer.Price, in),
		RequestBytes: in.BodyBytes, At: c.started, Block: c.offer.Block, Centralized: c.offer.Service.Info.Centralized(),
	}
}

// readBody reads the whole request body, bounded in size and time. Reading it before anything is sent also keeps the
// server from closing it under the transport when a provider answers at once.
func (c *call) readBody() ([]byte, error) {
	limit := c.srv.cfg.MaxBody
	if c.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	control := http.NewResponseController(c.w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	var buf bytes.Buffer
	// A declared length is a claim: no more than 1 MiB is set aside on the strength of it.
	buf.Grow(int(min(max(c.r.ContentLength, 0), 1<<20)) + bytes.MinRead)
	if _, err := buf.ReadFrom(http.MaxBytesReader(c.w, c.r.Body, limit)); err != nil {
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			return nil, err
		}
		return nil, &APIError{
			Status: http.StatusBadRequest, Type: typeRequest, Code: "request_body", Cause: err,
			Message: "The request body could not be read to its end.",
		}
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	return buf.Bytes(), nil
}

// fail answers with an error where nothing was sent yet. After that only the log can tell.
func (c *call) fail(err error) {
	e := asAPIError(err)
	c.code, c.cause = e.Code, e.Cause
	c.srv.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	if c.status != 0 {
		return
	}
	c.status = e.Status
	writeError(c.w, e)
}

// finish counts the call and writes its access line: facts only, nothing of what was asked or answered.
func (c *call) finish() {
	m := c.srv.cfg.Metrics
	m.open.Dec()
	took := time.Since(c.started)
	provider, model := "", ""
	if c.offer != nil {
		provider, model = c.offer.label, c.offer.Model
	}
	m.requests.WithLabelValues(c.route.path, provider, model, strconv.Itoa(c.status)).Inc()
	m.duration.WithLabelValues(c.route.path).Observe(took.Seconds())

	level := zerolog.InfoLevel
	if c.status >= 500 || (c.status < 400 && c.code != "") {
		level = zerolog.WarnLevel
	}
	ev := c.srv.cfg.Log.WithLevel(level)
	if ev == nil {
		return
	}
	ev = ev.Str("request_id", c.id).Str("route", c.route.path).Int("status", c.status).Dur("took_ms", took)
	if c.offer != nil {
		ev = ev.Str("provider", provider).Str("model", model).Bool("stream", c.stream)
	}
	if c.booked {
		ev = ev.Dur("first_byte_ms", c.firstByte).Int64("bytes", c.bytes).
			Str("fee_neuron", c.fee).Str("basis", string(c.booking.Basis))
	}
	if j := c.judgement; j.Verdict != "" && j.Verdict != zg.VerdictPending {
		ev = ev.Str("verdict", string(j.Verdict))
		if j.Code != "" {
			ev = ev.Str("verdict_code", j.Code)
		}
	}
	if c.key != "" {
		ev = ev.Str("key", c.key)
	}
	if c.code != "" {
		ev = ev.Str("code", c.code)
	}
	if c.cause != nil {
		ev = ev.AnErr("err", c.cause)
	}
	ev.Msg("request")
}
