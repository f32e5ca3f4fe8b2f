package simprovider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// webForm is a multipart request; of its files only size and digest are kept.
type webForm struct {
	boundary string
	fields   map[string]string // the last of each name
	files    []formFile
}

// formFile is an upload. Its digest is lower-case hex SHA-256.
type formFile struct {
	name string // of the field
	size int64
	sum  string
}

// maxField is the size of a form's field.
const maxField = 64 << 10

// file returns the first file of a field.
func (f *webForm) file(name string) (formFile, bool) {
	for _, file := range f.files {
		if file.name == name {
			return file, true
		}
	}
	return formFile{}, false
}

// countingReader hashes and counts what is read through it, up to a limit.
type countingReader struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func newCountingReader(r io.Reader) *countingReader { return &countingReader{r: r, sum: sha256.New()} }

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	if c.n += int64(n); c.n > maxBody {
		return 0, errTooLarge()
	}
	return n, err
}

func (c *countingReader) digest() [sha256.Size]byte { return [sha256.Size]byte(c.sum.Sum(nil)) }

// boundaryOf is the boundary of a multipart form; false when the header does not announce one.
func boundaryOf(h http.Header) (string, bool) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	return params["boundary"], err == nil && kind == "multipart/form-data" && params["boundary"] != ""
}

// form reads a form as it comes, holding no files.
func (c *countingReader) form(h http.Header) (*webForm, error) {
	boundary, ok := boundaryOf(h)
	if !ok {
		return nil, refuse("validate request: this route needs multipart/form-data")
	}
	f := &webForm{boundary: boundary, fields: make(map[string]string)}
	parts := multipart.NewReader(c, boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		if part.FileName() != "" || part.FormName() == "file" {
			sum := sha256.New()
			n, err := io.Copy(sum, part)
			if err != nil {
				return nil, formError(err)
			}
			f.files = append(f.files, formFile{part.FormName(), n, hex.EncodeToString(sum.Sum(nil))})
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return nil, formError(err)
		}
		f.fields[part.FormName()] = string(value)
	}
	if _, err := io.Copy(io.Discard, c); err != nil { // what follows the form belongs to the body
		return nil, formError(err)
	}
	return f, nil
}

// parseForm reads the form in a body that is held whole.
func parseForm(h http.Header, body []byte) (*webForm, error) {
	return newCountingReader(bytes.NewReader(body)).form(h)
}

func formError(err error) error {
	if r, ok := errors.AsType[*refusalError](err); ok {
		return r
	}
	return refuse("validate request: invalid multipart form: " + err.Error())
}
