package request

import (
	"bytes"
	"fmt"
)

// Form is a multipart/form-data body that was read whole: its fields are known wherever they stand.
type Form struct {
	Model    string
	HasModel bool
	Fields

	body     []byte
	boundary []byte // with the two leading dashes
	begin    int    // where the first part's boundary stands
	model    span   // the content of the model's part
}

// ScanForm reads the small fields of a whole body as strictly as Multipart does. The body is not to be changed
// afterwards.
func ScanForm(contentType string, body []byte) (*Form, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	f := &Form{Fields: Fields{N: 1}, body: body, boundary: []byte("--" + boundary)}
	at, err := f.first()
	if err != nil {
		return nil, err
	}
	delim := []byte("\r\n--" + boundary)
	for n := 0; ; n++ {
		var last bool
		if last, at, err = f.afterBoundary(at); last || err != nil {
			return f, err
		}
		if n == maxParts {
			return nil, errParts
		}
		size, err := headerSize(body[at:])
		if err != nil {
			return nil, err
		}
		p, err := readPart(body[at : at+size])
		if err != nil {
			return nil, err
		}
		at += size
		if bytes.HasPrefix(body[at:], f.boundary) {
			return nil, errBoundary // an empty part for some readers, content for others
		}
		n := bytes.Index(body[at:], delim)
		if n < 0 {
			return nil, errTruncated
		}
		if err := f.field(p, span{at, at + n}); err != nil {
			return nil, err
		}
		at += n + len(delim)
	}
}

// first finds the boundary that begins the first part, and returns where it ends.
func (f *Form) first() (int, error) {
	for at := 0; at < min(len(f.body), maxPreamble); {
		size := bytes.IndexByte(f.body[at:], '\n') + 1
		if size == 0 {
			break
		}
		if rest, ok := bytes.CutPrefix(f.body[at:at+size], f.boundary); ok {
			if !lineEnd(rest) {
				return 0, errBoundary // an end without a beginning, or a boundary for some readers only
			}
			f.begin = at
			return at + len(f.boundary), nil
		}
		at += size
	}
	return 0, &Error{Message: "The multipart body does not start with its boundary.", Offset: -1}
}

// afterBoundary reads the rest of a boundary's line, and returns where the part's header begins.
func (f *Form) afterBoundary(at int) (last bool, header int, err error) {
	line, size := f.body[at:], bytes.IndexByte(f.body[at:], '\n')+1
	if size > 0 {
		line = line[:size]
	}
	if rest, ok := bytes.CutPrefix(line, []byte("--")); ok {
		if rest = bytes.TrimLeft(rest, " \t"); len(rest) > 0 && string(rest) != "\r\n" {
			return false, 0, errBoundary
		}
		return true, len(f.body), nil
	}
	switch {
	case size == 0:
		return false, 0, errTruncated
	case !lineEnd(line):
		return false, 0, errBoundary
	}
	return false, at + size, nil
}

// headerSize is the length of a part's header with the blank line that ends it.
func headerSize(b []byte) (int, error) {
	for at := 0; ; {
		size := bytes.IndexByte(b[at:], '\n') + 1
		if size == 0 {
			return 0, errTruncated
		}
		blank := len(bytes.TrimRight(b[at:at+size], "\r\n")) == 0
		if at += size; at > maxPartHeader {
			return 0, errHeader
		}
		if blank {
			return at, nil
		}
	}
}

func (f *Form) field(p part, at span) error {
	value := f.body[at.start:at.end]
	switch {
	case p.file:
		return nil
	case p.name != "model":
		return f.read(p.name, value)
	case f.HasModel:
		return twice(p.name)
	}
	f.Model, f.HasModel, f.model = string(value), true, at
	return nil
}

// Splice returns the body with the provider's own model id: in its place, or as a part before all others where the
// caller named none. All other bytes are the caller's; the body itself is returned where nothing changes.
func (f *Form) Splice(model string) []byte {
	switch {
	case f.HasModel && f.Model != model:
		return apply(f.body, []edit{{f.model, model}})
	case !f.HasModel && model != "":
		text := fmt.Sprintf("%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n", f.boundary, model)
		return apply(f.body, []edit{{span{f.begin, f.begin}, text}})
	}
	return f.body
}
