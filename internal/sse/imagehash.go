package sse

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// pieceOfImage is how many characters of base64 are decoded at a time: whole groups of four.
const pieceOfImage = 4096

// beside notes text of an answer that holds pictures: what nobody signs where each picture is signed separately, and
// clients show it, as they do a link or a prompt. Names and numbers show nothing. A text that turns out to be a name is
// forgotten.
func (d *document) beside(p []byte) {
	switch {
	case d.ended || !d.started:
		d.extras = d.extras || len(bytes.TrimSpace(p)) > 0
	case d.inString && !d.isKey && !d.hashing:
		d.text = true
	}
}

// valueEnds takes a text that was no name.
func (d *document) valueEnds() { d.extras, d.text = d.extras || d.text, false }

// beginImage makes ready for an image. Hash and rooms are used for all of them: an answer may be a list of empty ones.
func (d *document) beginImage() {
	if len(d.images) == zg.MaxSignedImages {
		d.bad, d.images = true, nil
		return
	}
	if d.image == nil {
		d.image, d.quad, d.plain = sha256.New(), make([]byte, 0, pieceOfImage), make([]byte, pieceOfImage/4*3)
	}
	d.image.Reset()
	d.hashing, d.padded, d.quad = true, false, d.quad[:0]
}

func (d *document) decode() {
	if len(d.quad) == 0 {
		return
	}
	n, err := base64.StdEncoding.Decode(d.plain, d.quad)
	d.bad = d.bad || err != nil || d.padded
	d.padded = d.quad[len(d.quad)-1] == '='
	d.image.Write(d.plain[:n])
	d.quad = d.quad[:0]
}

func (d *document) endImage() {
	d.decode()
	var sum [32]byte
	d.image.Sum(sum[:0])
	d.images = append(d.images, sum)
	d.hashing = false
}
