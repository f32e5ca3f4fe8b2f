package proxy

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/zgproxy/zgproxy/internal/request"
	"github.com/zgproxy/zgproxy/internal/sse"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// onlyImages is what the caller gets of an answer of which only the images may have been signed, where that is less
// than it holds; else nil. Only what is withheld can be changed, and what is no such document stays as it is and does
// not pass.
func (r *relaying) onlyImages(doc []byte) []byte {
	kind := r.offer.Service.Type
	if !r.srv.cfg.Enforce || r.done == nil || r.kind != sse.JSON || len(r.done.Images) == 0 ||
		(kind != zg.TextToImage && kind != zg.ImageEditing) {
		return nil
	}
	images, removed, err := sse.OnlyImages(doc)
	r.done.Extras, r.done.Removed = err != nil, removed
	if !removed {
		return nil
	}
	return images
}

// plainType takes off a content type whatever would have the answer read in another character set than it was checked
// in: nobody signs the header.
func plainType(h http.Header) {
	v := h["Content-Type"]
	if len(v) == 0 {
		return
	}
	base, params, err := mime.ParseMediaType(v[0])
	if set := params["charset"]; err != nil || (set != "" && !strings.EqualFold(set, "utf-8")) {
		if base == "" {
			base = baseType(v[0])
		}
		h["Content-Type"] = []string{base}
	}
}

// decoded is the body in the form the tap reads. Where a provider compressed although identity was asked for, the wire
// bytes are hashed before they are unpacked: what it signed is what it sent. One that unpacks to far more than any
// answer breaks off.
func decoded(resp *http.Response) (io.Reader, hash.Hash, error) {
	if enc := baseType(resp.Header.Get("Content-Encoding")); enc != "gzip" && enc != "x-gzip" {
		return resp.Body, nil, nil
	}
	wire := sha256.New()
	body, err := request.Unpack(io.TeeReader(resp.Body, wire))
	if err != nil {
		return nil, nil, fmt.Errorf("unpack the answer: %w", err)
	}
	return body, wire, nil
}
