package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/request"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// operation is one inference route of the surface.
type operation struct {
	path  string         // as callers know it
	kind  zg.ServiceType // of the providers that serve it
	serve func(*call) error
	form  bool // multipart/form-data is taken too
	job   bool // what comes back is not the answer but where to ask for it
	async bool // … outside of what a provider passes on to its model: 202, and no signature yet
	bytes bool // the answer is neither text nor JSON; its header says what it is billed for
}

// operations is the inference surface. Everything else that is served is listed in Handler.
var operations = []operation{
	{path: "/v1/chat/completions", kind: zg.Chatbot, serve: (*call).serveDocument},
	{path: "/v1/messages", kind: zg.Chatbot, serve: (*call).serveDocument},
	{path: "/v1/embeddings", kind: zg.Embedding, serve: (*call).serveDocument},
	{path: "/v1/decisions", kind: zg.Decisions, serve: (*call).serveDocument},
	{path: "/v1/images/generations", kind: zg.TextToImage, serve: (*call).serveDocument},
	{path: "/v1/images/edits", kind: zg.ImageEditing, serve: (*call).serveDocument, form: true},
	{path: "/v1/audio/transcriptions", kind: zg.SpeechToText, serve: (*call).serveUpload},
	{path: "/v1/audio/speech", kind: zg.AudioGeneration, serve: (*call).serveDocument, form: true, bytes: true},
	{path: "/v1/videos", kind: zg.VideoGeneration, serve: (*call).serveDocument, form: true, job: true},
	{path: "/v1/async/images/generations", kind: zg.TextToImage, serve: (*call).serveDocument, job: true, async: true},
	{path: "/v1/async/images/edits", kind: zg.ImageEditing, serve: (*call).serveDocument, form: true, job: true, async: true},
}

// upstream is the URL of the operation at an offer.
func (op *operation) upstream(o *route.Offer) string {
	rest := op.path[len("/v1"):]
	switch {
	case o.Endpoint != "":
		return o.Service.URL + rest
	case op.async:
		return o.Service.URL + "/v1" + rest
	}
	return o.Service.URL + "/v1/proxy" + rest
}

// openAIChat reports whether a usage chunk of a stream has to be asked for, and can be taken out again.
func (op *operation) openAIChat() bool { return op.path == "/v1/chat/completions" }

// parcel is what is sent to a provider in one attempt.
type parcel struct {
	bound       billing.BoundInput
	contentType string
	body        io.Reader // an upload passing through, or nil
	bytes       []byte    // the whole body, or nil
	stripUsage  bool      // the usage chunk was asked for by us, not by the caller
	digest      func() (sha [32]byte, n int64)
	growing     bool                   // its length shows while it is sent: bound is of what has come so far
	admit       func(size int64) error // sets more aside for so many bytes; nil: its length is known
	inputTokens uint64                 // the estimate by which an embedding is billed whose answer does not tell
	again       func(*parcel) bool     // makes body and digest new for another sending; nil: they are as good as new
}

// source makes the parcel for each offer that a request is tried with.
type source interface {
	// parcel is what goes to the offer. An error means that no further attempt can be made.
	parcel(o *route.Offer) (parcel, error)
}

// serveDocument handles requests that are read whole before they are sent.
func (c *call) serveDocument() error {
	kind := baseType(c.r.Header.Get("Content-Type"))
	form := kind == "multipart/form-data"
	if (form && !c.op.form) || (!form && kind != "application/json" && kind != "") {
		return errMediaType(c.op.form)
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if form {
		f, err := request.ScanForm(c.r.Header.Get("Content-Type"), body)
		if err != nil {
			return err
		}
		c.stream, c.choices, c.format = f.Stream, f.N, f.ResponseFormat
		return c.answer(f.Model, &formSource{c: c, form: f})
	}
	asked, err := request.ScanJSON(body)
	if err != nil {
		return err
	}
	if asked.Model == "" && (asked.HasModel || c.op.kind == zg.Chatbot) {
		return errNoModel()
	}
	c.stream = asked.Stream && c.op.kind == zg.Chatbot
	c.choices, c.format = asked.N, asked.ResponseFormat
	return c.answer(asked.Model, &jsonSource{c: c, asked: asked})
}

// jsonSource is a request that is one JSON document.
type jsonSource struct {
	c     *call
	asked *request.JSON
}

func (s *jsonSource) parcel(o *route.Offer) (parcel, error) {
	asked, chat := s.asked, s.c.op.kind == zg.Chatbot
	ours := s.c.stream && s.c.op.openAIChat()
	sent := asked.Splice(o.Model, ours)
	return parcel{
		bound: billing.BoundInput{
			BodyBytes: int64(len(sent)), MaxTokens: asked.MaxTokens, ModelMaxTokens: o.MaxTokens, ContextLength: o.ContextLength,
			N: asked.N, Images: asked.N, Media: chat && billing.HasMedia(sent), Seconds: asked.Seconds, MaxDuration: asked.MaxDuration,
		},
		contentType: "application/json",
		bytes:       sent,
		stripUsage:  ours && !asked.IncludeUsage,
		digest:      digestOf(sent),
		inputTokens: asked.InputTokens,
	}, nil
}

// formSource is a request in the form of multipart/form-data that was read whole.
type formSource struct {
	c    *call
	form *request.Form
}

func (s *formSource) parcel(o *route.Offer) (parcel, error) {
	sent, f := s.form.Splice(o.Model), s.form
	return parcel{
		bound: billing.BoundInput{
			BodyBytes: int64(len(sent)), AudioBytes: int64(len(sent)), N: f.N, Images: f.N, Seconds: f.Seconds, MaxDuration: f.MaxDuration,
		},
		contentType: s.c.r.Header.Get("Content-Type"),
		bytes:       sent,
		digest:      digestOf(sent),
	}, nil
}

func digestOf(sent []byte) func() ([32]byte, int64) {
	return func() ([32]byte, int64) { return sha256.Sum256(sent), int64(len(sent)) }
}

const (
	// An upload can go to another provider as long as no more than so much of its file has been handed out.
	replayBytes = 1 << 20
	// An upload of unknown length is admitted for so many bytes to begin with, and then for an eighth more than has come.
	firstStep = 4 << 10
	// What the form of an upload that passes through holds at most: the fields before its file three times, which are
	// small, or what is kept for another provider, and two buffers.
	formMemory = 3<<20 + 128<<10
)

// serveUpload handles uploads whose file passes straight through: only the small fields before it are read ahead, to
// learn the model.
func (c *call) serveUpload() error {
	limit := c.srv.cfg.MaxBody
	if c.r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	contentType := c.r.Header.Get("Content-Type")
	body := c.arriving(http.MaxBytesReader(guard.Bare(c.w), c.r.Body, limit))
	defer body.leave()
	in, err := request.Decode(body, c.r.Header.Get("Content-Encoding"), limit)
	if err != nil {
		return errBody(err)
	}
	if err := c.memory.Take(c.r.Context(), min(formMemory, 3*c.size(limit)), memory.Bodies); err != nil {
		return c.errMemory(err)
	}
	form, err := request.NewMultipart(contentType, in)
	if err != nil {
		return err
	}
	// The provider may answer while the file is still being read; the server must not close the one for the other.
	if err := http.NewResponseController(c.w).EnableFullDuplex(); err != nil {
		return err
	}
	form.Keep(replayBytes)
	if err := form.Prepare(); err != nil {
		return errBody(err)
	}
	// What is to be verified has to be known before it is sent, and the format may stand behind the file.
	if form.NeedsWhole() || c.srv.cfg.Enforce {
		body.whole = true
		begun, rest, err := form.Whole()
		if err != nil {
			return err
		}
		whole, err := c.readWhole(begun, rest)
		if err != nil {
			return err
		}
		f, err := request.ScanForm(contentType, whole)
		if err != nil {
			return err
		}
		c.stream, c.format = f.Stream, f.ResponseFormat
		return c.answer(f.Model, &formSource{c: c, form: f})
	}
	c.stream, c.format = form.Stream, form.ResponseFormat
	size, growing := min(limit, firstStep), true
	if c.r.ContentLength >= 0 && c.r.Header.Get("Content-Encoding") == "" {
		size, growing = c.r.ContentLength, false
	}
	return c.answer(form.Asked, &uploadSource{form: form, contentType: contentType, size: size, growing: growing})
}

// uploadSource is an upload that passes through.
type uploadSource struct {
	form        *request.Multipart
	contentType string
	size        int64 // at most …
	growing     bool  // … or to begin with
	begun       bool
}

func (s *uploadSource) parcel(o *route.Offer) (parcel, error) {
	p := parcel{bound: billing.BoundInput{BodyBytes: s.size, AudioBytes: s.size}, contentType: s.contentType, growing: s.growing}
	pass := func(p *parcel, in io.Reader) {
		sent := &hashed{in: in, sha: sha256.New(), ended: s.form.Ended, room: s.size, admit: p.admit}
		p.body, p.digest = sent, sent.digest
	}
	p.again = func(p *parcel) bool {
		in, ok := s.form.Again(o.Model)
		if ok {
			pass(p, in)
		}
		return ok
	}
	if s.begun {
		if !p.again(&p) {
			return parcel{}, errSentAlready
		}
		return p, nil
	}
	s.begun = true
	s.form.SetModel(o.Model, func(late string) bool { return late == o.Model })
	pass(&p, s.form)
	return p, nil
}

// hashed hashes a body as it is sent. The transport may still be reading it when the exchange is over.
type hashed struct {
	in    io.Reader
	ended func() bool            // the caller's body came whole
	admit func(size int64) error // sets more aside; nil: enough is
	room  int64                  // how many bytes that is for

	mu      sync.Mutex
	sha     hash.Hash
	n       int64
	err     error // of the caller's body
	refused error // nothing more could be set aside for it
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.in.Read(p)
	if refused := h.grow(n); refused != nil {
		return 0, refused
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sha.Write(p[:n])
	h.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}

// grow sets more aside before n more bytes are handed on. It is called by whoever reads.
func (h *hashed) grow(n int) error {
	h.mu.Lock()
	size := h.n + int64(n)
	h.mu.Unlock()
	if h.admit == nil || size <= h.room {
		return nil
	}
	size += max(firstStep, size/8)
	err := h.admit(size)
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.refused = err
		return err
	}
	h.room = size
	return nil
}

// refusal is why nothing more of the body was handed on.
func (h *hashed) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// failure is why the caller's body could not be read to its end; nil: it could, as far as it was.
func (h *hashed) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *hashed) digest() (sum [32]byte, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sha.Sum(sum[:0])
	return sum, h.n
}

// length is how long the body is; -1: not known yet.
func (p *parcel) length() int64 {
	if p.growing {
		return -1
	}
	return p.bound.BodyBytes
}

// reader is the body for one sending; nil where it has gone already.
func (p *parcel) reader() io.Reader {
	if p.bytes != nil {
		return bytes.NewReader(p.bytes)
	}
	return p.body
}
