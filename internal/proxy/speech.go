package proxy

import (
	"crypto/sha256"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/request"
)

// serveMultipart handles uploads. The file passes straight through: only the small fields before it are read ahead, to
// learn the model.
func (c *call) serveMultipart() error {
	limit := c.srv.cfg.MaxBody
	if c.r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	form, err := request.NewMultipart(c.r.Header.Get("Content-Type"), http.MaxBytesReader(c.w, c.r.Body, limit))
	if err != nil {
		return err
	}
	// The provider may answer while the file is still being read; the server must not close the one for the other.
	if err := http.NewResponseController(c.w).EnableFullDuplex(); err != nil {
		return err
	}
	if err := form.Prepare(); err != nil {
		return err
	}
	routes := c.srv.Routes()
	if form.Asked == "" {
		c.offer, err = routes.Only(c.route.kind)
	} else {
		c.offer, err = routes.Choose(c.route.kind, form.Asked)
	}
	if err != nil {
		return err
	}
	c.stream = form.Stream
	form.SetModel(c.offer.Model, func(late string) bool { return late == c.offer.Model })
	size := limit
	if c.r.ContentLength >= 0 {
		size = c.r.ContentLength
	}
	sent := &hashed{in: form, sha: sha256.New()}
	return c.exchange(parcel{
		order:       c.order(form.Stream, billing.BoundInput{BodyBytes: size, AudioBytes: size}),
		contentType: c.r.Header.Get("Content-Type"),
		body:        sent,
		length:      -1,
		digest:      sent.digest,
	})
}

// hashed hashes a body as it is sent. The transport may still be reading it when the exchange is over.
type hashed struct {
	in  io.Reader
	mu  sync.Mutex
	sha hash.Hash
	n   int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.in.Read(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sha.Write(p[:n])
	h.n += int64(n)
	return n, err
}

func (h *hashed) digest() (sum [32]byte, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sha.Sum(sum[:0])
	return sum, h.n
}
