package request

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"sync"
	"sync/atomic"
)

const (
	maxPartHeader = 16 << 10
	maxPreamble   = 4 << 10
	maxFields     = 1 << 20 // bytes of small fields before the file
	readAhead     = 64 << 10
	// maxParts is how many parts a form may have: no API takes a tenth of them, and the header of each has to be read.
	maxParts = 1000
)

// Multipart passes a multipart/form-data body on without holding its files. It reads ahead until it knows the model or
// meets the first file, so that the request can be routed; what it has read is sent first.
//
// Use: NewMultipart, Prepare, look at Asked and Fields. Then either Whole, or Keep and SetModel, Read to the end, and
// Again for another attempt. Read and Again may be called by different goroutines; all else belongs to one.
type Multipart struct {
	Asked string // the model the caller named before the first file, or empty
	Fields

	raw      *record
	in       *bufio.Reader
	boundary []byte // with the two leading dashes
	delim    []byte // with the line end before them as well
	head     bytes.Buffer
	named    bool // a model was seen
	accept   func(asked string) bool
	state    state
	fresh    bool   // no content of the part under way was read yet
	parts    int    // whose header was read
	part     []byte // header of the file part that Prepare stopped at
	buf      []byte

	ended  atomic.Bool // the caller's body came whole
	source sync.Mutex  // held while the body is read: guards everything above once SetModel was called
	replay replay
	first  *attempt
}

type state uint8

const (
	inFile state = iota // copying a part's content through
	atPart              // the delimiter was read; a header or the end follows
	atEnd               // the closing delimiter was read
)

// record keeps what was read of the body for as long as it may be wanted whole.
type record struct {
	in   io.Reader
	kept *bytes.Buffer // nil: no longer
}

func (r *record) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if r.kept != nil {
		r.kept.Write(p[:n])
	}
	return n, err
}

// NewMultipart reads the boundary from a content type.
func NewMultipart(contentType string, body io.Reader) (*Multipart, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	raw := &record{in: body, kept: new(bytes.Buffer)}
	return &Multipart{
		Fields: Fields{N: 1}, raw: raw, in: bufio.NewReaderSize(raw, readAhead),
		boundary: []byte("--" + boundary), delim: []byte("\r\n--" + boundary),
	}, nil
}

func boundaryOf(contentType string) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" || len(params["boundary"]) > 70 {
		return "", &Error{Message: "Send multipart/form-data with a boundary.", Offset: -1}
	}
	return params["boundary"], nil
}

// Prepare reads the small fields before the first file.
func (m *Multipart) Prepare() error {
	if err := m.preamble(); err != nil {
		return err
	}
	for {
		last, err := m.delimiterEnd(maxFields)
		if err != nil {
			return err
		}
		if last {
			m.state = atEnd
			m.ended.Store(true)
			return nil
		}
		header, p, err := m.partHeader()
		if err != nil {
			return err
		}
		if p.file {
			m.part, m.state = header, inFile
			return nil
		}
		value, err := m.value(p.name)
		if err != nil {
			return err
		}
		if p.name == "model" {
			if m.named {
				return twice(p.name)
			}
			m.Asked, m.named = string(value), true
			continue
		}
		if err := m.read(p.name, value); err != nil {
			return err
		}
		m.head.Write(header)
		m.head.Write(value)
		m.head.WriteString("\r\n")
		m.head.Write(m.boundary)
		if m.head.Len() > maxFields {
			return &Error{Message: "The fields before the file are larger than 1 MiB.", Offset: -1}
		}
	}
}

// NeedsWhole reports, after Prepare, that a file came before any model: what the form asks for is known only when all
// of it has been read.
func (m *Multipart) NeedsWhole() bool { return m.state == inFile && !m.named }

// Whole gives up the body for whoever reads it whole, for ScanForm: what has been read of it, and the rest. It is
// called after Prepare, whatever that returned, and instead of SetModel. How much may be read is up to the reader that
// the form was made of.
func (m *Multipart) Whole() (begun []byte, rest io.Reader, err error) {
	if m.raw.kept == nil {
		return nil, nil, errSuperseded
	}
	begun, m.raw.kept = m.raw.kept.Bytes(), nil
	return begun, m.raw.in, nil
}

// Ended reports whether the closing boundary has come. Before that no reader of the form can have the whole of it. It
// may be called by anybody.
func (m *Multipart) Ended() bool { return m.ended.Load() }

// SetModel decides the model that is sent. accept says whether a name that comes after the file means the same model,
// of the first attempt and of every other one.
func (m *Multipart) SetModel(model string, accept func(asked string) bool) {
	m.accept, m.raw.kept = accept, nil
	m.first = &attempt{m: m, out: m.opening(model)}
}

// opening is what precedes the rest of the body: our model, the fields that were read, and the header of the first
// file.
func (m *Multipart) opening(model string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n", m.boundary, model)
	b.Write(m.head.Bytes())
	b.Write(m.part)
	if len(m.part) == 0 { // there is no file
		b.WriteString("--\r\n")
	}
	return b.Bytes()
}

// Read hands out the body as it is sent in the first attempt.
func (m *Multipart) Read(p []byte) (int, error) { return m.first.Read(p) }

// next produces the following piece of the body. The piece is good until the next call.
func (m *Multipart) next() ([]byte, error) {
	if m.state == atEnd {
		return nil, io.EOF
	}
	if m.state == inFile {
		piece, found, err := m.content()
		if found {
			m.state = atPart
		}
		return piece, err
	}
	// Between parts: a model named after the file is dropped, because ours went first.
	last, err := m.delimiterEnd(-1)
	if err != nil {
		return nil, err
	}
	if last {
		m.state = atEnd
		m.ended.Store(true)
		return append(append([]byte("\r\n"), m.boundary...), "--\r\n"...), nil
	}
	header, p, err := m.partHeader()
	if err != nil {
		return nil, err
	}
	if p.name == "model" {
		value, err := m.value(p.name)
		if err != nil {
			return nil, err
		}
		if m.named {
			return nil, twice(p.name)
		}
		m.named = true
		if !m.accept(string(value)) {
			return nil, &Error{Param: "model", Message: fmt.Sprintf("The field 'model' came after the file and names %.100q; put it before the file.", value), Offset: -1}
		}
		return nil, nil
	}
	m.state = inFile
	return append(append([]byte("\r\n"), m.boundary...), header...), nil
}
