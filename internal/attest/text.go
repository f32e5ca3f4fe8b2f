package attest

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Form is the shape of a signed text.
type Form = zg.TextForm

// The forms. H is a SHA-256 digest as 64 hexadecimal digits.
const (
	FormPlain       Form = "plain"       // H(request):H(answer)
	FormImages      Form = "images"      // H(request):H(image 0),H(image 1),…
	FormCentralized Form = "centralized" // H(request):H(answer):centralized:IDENTITY:FINGERPRINT
	FormModel       Form = "model"       // MODEL:H(request):H(answer); a model's id may hold colons itself
)

var (
	// ErrText means that a signed text has no known form.
	ErrText = errors.New("the signed text has no known form")
	// ErrScheme means that a signed text names a scheme, none of which are used here: those are for sealed requests.
	ErrScheme = errors.New("the signed text is of another scheme")
)

const (
	schemePrefix    = "zg-sig-"
	typeCentralized = "centralized"
	maxText         = zg.MaxSignedText
	// maxNames is how much of a text may be something else than digests of what was seen: the names of a model or of a
	// vendor, or the digests of images that were not part of the answer.
	maxNames = 4 << 10
)

// Text is a signed text, taken apart.
type Text struct {
	Form    Form
	Request [32]byte
	// Response holds one digest, of the body or of a single image, or those of several images.
	Response [][32]byte
	Model    string // of FormModel
	// Of FormCentralized: which vendor answered, and the SHA-256 of its TLS certificate.
	Identity, Fingerprint string
}

// ParseText takes a signed text apart. Texts that begin with the prefix of named schemes are refused whatever follows:
// a scheme that is not known must not be read as one that is.
func ParseText[S ~string](signed S) (Text, error) {
	s := string(signed)
	if strings.HasPrefix(s, schemePrefix) {
		return Text{}, ErrScheme
	}
	if len(s) > maxText {
		return Text{}, ErrText
	}
	f := strings.Split(s, ":")
	n := len(f)
	var t Text
	switch {
	case n == 2:
		t.Form = FormPlain
		if strings.Contains(f[1], ",") {
			t.Form = FormImages
		}
	case n == 5 && f[2] == typeCentralized && isDigest(f[0]):
		t.Form, t.Identity, t.Fingerprint = FormCentralized, f[3], f[4]
		if !isDigest(t.Fingerprint) || t.Identity == "" {
			return Text{}, ErrText
		}
	case n >= 3:
		t.Form, t.Model = FormModel, strings.Join(f[:n-2], ":")
		if t.Model == "" {
			return Text{}, ErrText
		}
		f = f[n-2:]
	default:
		return Text{}, ErrText
	}
	var ok bool
	if t.Request, ok = digest(f[0]); !ok {
		return Text{}, ErrText
	}
	for part := range strings.SplitSeq(f[1], ",") {
		d, ok := digest(part)
		if !ok {
			return Text{}, ErrText
		}
		t.Response = append(t.Response, d)
	}
	return t, nil
}

func digest(s string) (d [32]byte, ok bool) {
	if !isDigest(s) {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(s))
	return d, err == nil
}

// isDigest is strict about lower case: there is one way to write a digest.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
