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

var (
	errTruncated = &Error{Message: "The multipart body ends before its closing boundary.", Offset: -1}
	errBoundary  = &Error{Message: "The multipart body has a malformed boundary.", Offset: -1}
	errParts     = &Error{Message: fmt.Sprintf("The form has more than %d parts.", maxParts), Offset: -1}
	errHeader    = &Error{Message: "The header of a part is larger than 16 KiB.", Offset: -1}
)

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return errHeader
	}
	return err
}

// lineEnd reports that nothing but the end of the line follows a boundary.
func lineEnd(rest []byte) bool { return string(bytes.TrimLeft(rest, " \t")) == "\r\n" }

// part is what the header of a part says.
type part struct {
	name string
	file bool
}

// readPart reads the header of a part with the blank line that ends it. What other readers may take for something else
// is refused: a field that costs money with a file's name, or a part that is encoded.
func readPart(header []byte) (part, error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(header))).ReadMIMEHeader()
	if err != nil {
		return part{}, &Error{Message: "The header of a part is malformed.", Offset: -1}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || kind != "form-data" || params["name"] == "" || len(h["Content-Disposition"]) > 1 {
		return part{}, &Error{Message: "A part has no Content-Disposition with a name.", Offset: -1}
	}
	p := part{name: params["name"]}
	_, p.file = params["filename"]
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	default: // forms have none any more; some readers undo it nevertheless
		return part{}, &Error{Param: p.name, Message: fmt.Sprintf("The part %.100q has a transfer encoding.", p.name), Offset: -1}
	}
	if p.file && costly(p.name) {
		return part{}, &Error{Param: p.name, Message: fmt.Sprintf("The field '%s' has a file name.", p.name), Offset: -1}
	}
	return p, nil
}

// preamble skips to behind the first boundary.
func (m *Multipart) preamble() error {
	for n := 0; n < maxPreamble; {
		line, err := m.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return truncated(err)
		}
		if rest, ok := bytes.CutPrefix(line, m.boundary); ok {
			if !lineEnd(rest) {
				return errBoundary // an end without a beginning, or a boundary for some readers only
			}
			m.in = bufio.NewReaderSize(io.MultiReader(strings.NewReader("\r\n"), m.in), readAhead)
			m.head.Write(m.boundary)
			return nil
		}
		n += len(line)
	}
	return &Error{Message: "The multipart body does not start with its boundary.", Offset: -1}
}

// delimiterEnd reads what follows a boundary: a line end, or two dashes and whatever comes after them, which means
// nothing. There may be so much of it; below zero: any length.
func (m *Multipart) delimiterEnd(epilogue int64) (last bool, err error) {
	two, err := m.in.Peek(2)
	if err != nil {
		return false, truncated(err)
	}
	line, err := m.in.ReadSlice('\n')
	if rest, ok := bytes.CutPrefix(line, []byte("--")); string(two) == "--" && ok {
		if err != nil && !errors.Is(err, io.EOF) {
			return false, truncated(err)
		}
		if rest = bytes.TrimLeft(rest, " \t"); len(rest) > 0 && string(rest) != "\r\n" {
			return false, errBoundary
		}
		if epilogue < 0 {
			_, err = io.Copy(io.Discard, m.in)
			return true, err
		}
		n, err := io.Copy(io.Discard, io.LimitReader(m.in, epilogue+1))
		if n > epilogue {
			err = &Error{Message: "More than 1 MiB follows the closing boundary.", Offset: -1}
		}
		return true, err
	}
	if err != nil {
		return false, truncated(err)
	}
	if !lineEnd(line) {
		return false, errBoundary
	}
	return false, nil
}

// partHeader reads a part's header, kept as it was with the line end before it.
func (m *Multipart) partHeader() (raw []byte, p part, err error) {
	if m.parts++; m.parts > maxParts {
		return nil, part{}, errParts
	}
	raw = append(raw, "\r\n"...)
	for {
		line, err := m.in.ReadSlice('\n')
		if err != nil {
			return nil, part{}, truncated(err)
		}
		if raw = append(raw, line...); len(raw)-2 > maxPartHeader {
			return nil, part{}, errHeader
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	m.fresh = true
	p, err = readPart(raw[2:])
	return raw, p, err
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
	if m.fresh && bytes.HasPrefix(p, m.boundary) {
		return nil, false, errBoundary // an empty part for some readers, content for others
	}
	m.fresh = false
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
