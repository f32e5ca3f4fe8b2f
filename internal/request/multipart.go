package request

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"strings"
)

const (
	maxPartHeader = 16 << 10
	maxFields     = 1 << 20 // bytes of small fields before the file
)

// Multipart passes a multipart/form-data body on without holding its files. It reads ahead until it knows the model or
// meets the first file, so that the request can be routed; what it has read is sent first.
//
// Use: NewMultipart, Prepare, look at Asked, SetModel, then Read to the end.
type Multipart struct {
	Asked          string // the model the caller named before the first file, or empty
	ResponseFormat string
	Stream         bool

	in       *bufio.Reader
	boundary []byte // with the two leading dashes
	delim    []byte // with the line end before them as well
	head     bytes.Buffer
	route    string
	accept   func(asked string) bool
	state    state
	part     []byte // header of the file part that Prepare stopped at
	out      []byte // bytes to hand out next
	buf      []byte
	err      error
}

type state uint8

const (
	inFile state = iota // copying a part's content through
	atPart              // the delimiter was read; a header or the end follows
	atEnd               // the closing delimiter was read
)

// NewMultipart reads the boundary from a content type.
func NewMultipart(contentType string, body io.Reader) (*Multipart, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" || len(params["boundary"]) > 70 {
		return nil, &Error{Message: "Send multipart/form-data with a boundary.", Offset: -1}
	}
	boundary := "--" + params["boundary"]
	return &Multipart{in: bufio.NewReaderSize(body, 64<<10), boundary: []byte(boundary), delim: []byte("\r\n" + boundary)}, nil
}

// Prepare reads the small fields before the first file.
func (m *Multipart) Prepare() error {
	if err := m.preamble(); err != nil {
		return err
	}
	for {
		last, err := m.delimiterEnd()
		if err != nil {
			return err
		}
		if last {
			m.state = atEnd
			return nil
		}
		header, name, file, err := m.partHeader()
		if err != nil {
			return err
		}
		if file {
			m.part, m.state = header, inFile
			return nil
		}
		value, err := m.value(name)
		if err != nil {
			return err
		}
		switch name {
		case "model":
			if m.Asked != "" {
				return &Error{Param: "model", Message: "The field 'model' appears twice.", Offset: -1}
			}
			m.Asked = string(value)
		case "response_format":
			m.ResponseFormat = string(value)
		case "stream":
			m.Stream = string(value) == "true"
		}
		if name != "model" {
			m.head.Write(header)
			m.head.Write(value)
			m.head.WriteString("\r\n")
			m.head.Write(m.boundary)
		}
		if m.head.Len() > maxFields {
			return &Error{Message: "The fields before the file are larger than 1 MiB.", Offset: -1}
		}
	}
}

// SetModel decides the model that is sent. accept says whether a name that comes after the file means the same model.
func (m *Multipart) SetModel(model string, accept func(asked string) bool) {
	m.route, m.accept = model, accept
	var first bytes.Buffer
	fmt.Fprintf(&first, "%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n", m.boundary, model)
	first.Write(m.head.Bytes())
	first.Write(m.part)
	if m.state == atEnd {
		first.WriteString("--\r\n")
	}
	m.out, m.head, m.part = first.Bytes(), bytes.Buffer{}, nil
}

// Read hands out the body as it is sent.
func (m *Multipart) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		m.out, m.err = m.next()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// next produces the following piece of the body.
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
	last, err := m.delimiterEnd()
	if err != nil {
		return nil, err
	}
	if last {
		m.state = atEnd
		return append(append([]byte("\r\n"), m.boundary...), "--\r\n"...), nil
	}
	header, name, file, err := m.partHeader()
	if err != nil {
		return nil, err
	}
	if name == "model" && !file {
		value, err := m.value(name)
		if err != nil {
			return nil, err
		}
		if !m.accept(string(value)) {
			return nil, &Error{Param: "model", Message: fmt.Sprintf("The field 'model' came after the file and names %.100q; put it before the file.", value), Offset: -1}
		}
		return nil, nil
	}
	m.state = inFile
	return append(append([]byte("\r\n"), m.boundary...), header...), nil
}

var errTruncated = &Error{Message: "The multipart body ends before its closing boundary.", Offset: -1}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return &Error{Message: "A line of a part's header is longer than 16 KiB.", Offset: -1}
	}
	return err
}

// preamble skips to behind the first boundary.
func (m *Multipart) preamble() error {
	for n := 0; n < maxPartHeader; {
		line, err := m.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return truncated(err)
		}
		if bytes.HasPrefix(line, m.boundary) {
			rest := line[len(m.boundary):]
			if string(rest) == "\r\n" {
				m.head.Reset()
				m.in = bufio.NewReaderSize(io.MultiReader(strings.NewReader("\r\n"), m.in), 64<<10)
				m.head.Write(m.boundary)
				return nil
			}
		}
		n += len(line)
	}
	return &Error{Message: "The multipart body does not start with its boundary.", Offset: -1}
}

// delimiterEnd reads what follows a boundary: a line end, or two dashes.
func (m *Multipart) delimiterEnd() (last bool, err error) {
	two, err := m.in.Peek(2)
	if err != nil {
		return false, truncated(err)
	}
	if string(two) == "--" {
		_, err := io.Copy(io.Discard, m.in) // an epilogue means nothing
		return true, err
	}
	line, err := m.in.ReadSlice('\n')
	if err != nil {
		return false, truncated(err)
	}
	if strings.TrimRight(string(line), " \t\r\n") != "" {
		return false, &Error{Message: "The multipart body has a malformed boundary.", Offset: -1}
	}
	return false, nil
}

// partHeader reads a part's header, kept as it was with the line end before it.
func (m *Multipart) partHeader() (raw []byte, name string, file bool, err error) {
	raw = append(raw, "\r\n"...)
	for {
		line, err := m.in.ReadSlice('\n')
		if err != nil {
			return nil, "", false, truncated(err)
		}
		if raw = append(raw, line...); len(raw) > maxPartHeader {
			return nil, "", false, &Error{Message: "The header of a part is larger than 16 KiB.", Offset: -1}
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw[2:]))).ReadMIMEHeader()
	if err != nil {
		return nil, "", false, &Error{Message: "The header of a part is malformed.", Offset: -1}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || kind != "form-data" || params["name"] == "" {
		return nil, "", false, &Error{Message: "A part has no Content-Disposition with a name.", Offset: -1}
	}
	_, file = params["filename"]
	return raw, params["name"], file, nil
}

// value reads the whole content of a small field.
func (m *Multipart) value(name string) ([]byte, error) {
	var v []byte
	for {
		piece, found, err := m.content()
		if err != nil {
			return nil, err
		}
		if v = append(v, piece...); len(v) > maxFields {
			return nil, &Error{Param: name, Message: fmt.Sprintf("The field %.100q is larger than 1 MiB.", name), Offset: -1}
		}
		if found {
			return v, nil
		}
	}
}

// content returns a piece of the part under way; found when the boundary behind it was read.
func (m *Multipart) content() (piece []byte, found bool, err error) {
	if _, err := m.in.Peek(len(m.delim) + 1); err != nil && m.in.Buffered() < len(m.delim) {
		return nil, false, truncated(err)
	}
	// Whatever has arrived passes on at once, but for an end that could be the beginning of a boundary.
	p, err := m.in.Peek(m.in.Buffered())
	if err != nil {
		return nil, false, err
	}
	n, used := len(p)-len(m.delim)+1, 0
	if i := bytes.Index(p, m.delim); i >= 0 {
		n, used, found = i, len(m.delim), true
	}
	if n == 0 && !found {
		return nil, false, errTruncated // the body ended with as many bytes as a boundary has
	}
	m.buf = append(m.buf[:0], p[:n]...)
	_, err = m.in.Discard(n + used)
	return m.buf, found, err
}
