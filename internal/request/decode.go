package request

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrEncoding means that a body has a content encoding other than gzip.
var ErrEncoding = errors.New("the content encoding is not known")

// Decode undoes the content encoding of a body: gzip, or none. What comes out is bounded: more than limit is an
// *http.MaxBytesError. Another encoding is ErrEncoding, anything that cannot be unpacked is an *Error; an error of the body
// itself stays what it is.
func Decode(r io.Reader, contentEncoding string, limit int64) (io.Reader, error) {
	switch coding := strings.ToLower(strings.TrimSpace(contentEncoding)); coding {
	case "", "identity":
		return &bounded{in: r, left: limit, limit: limit}, nil
	case "gzip", "x-gzip":
	default:
		return nil, fmt.Errorf("%w: %.40q", ErrEncoding, coding)
	}
	u, err := Unpack(r)
	if err != nil {
		return nil, err
	}
	return &bounded{in: u, left: limit, limit: limit}, nil
}

const (
	// Gzip packs up to a thousand bytes into one. What anybody has to say packs into a fifth, rarely less than a
	// twentieth; what packs into a hundredth was made to be unpacked.
	mostUnpacked = 100
	// So much may come out whatever went in: little things of the same kind pack well, and are no burden.
	freelyUnpacked = 1 << 20
)

// Unpack undoes gzip. What cannot be unpacked, or unpacks to far more than anything that is meant to be read, is an
// *Error; an error of r itself stays what it is.
func Unpack(r io.Reader) (io.Reader, error) {
	u := &unpacking{from: &remembering{in: r}}
	zip, err := gzip.NewReader(u.from)
	if err != nil {
		return nil, u.cause()
	}
	u.zip = zip
	return u, nil
}

// remembering tells an error of the body from one of what is packed in it.
type remembering struct {
	in  io.Reader
	n   int64
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

type unpacking struct {
	from *remembering
	zip  *gzip.Reader
	n    int64 // bytes that came out
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.zip.Read(p)
	if u.n += int64(n); u.n > freelyUnpacked && u.n/mostUnpacked > u.from.n {
		return 0, &Error{Message: fmt.Sprintf("The body unpacks to more than %d times its size.", mostUnpacked), Offset: -1}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = u.cause()
	}
	return n, err
}

func (u *unpacking) cause() error {
	if u.from.err != nil {
		return u.from.err
	}
	return &Error{Message: "The body is not whole and valid gzip.", Offset: -1}
}

// bounded reads up to a limit and fails beyond it.
type bounded struct {
	in          io.Reader
	left, limit int64 // left is below zero once more has come
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &http.MaxBytesError{Limit: b.limit}
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1] // one more shows that there is more
	}
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, &http.MaxBytesError{Limit: b.limit}
	}
	return n, err
}
