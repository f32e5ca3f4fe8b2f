package request

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
)

const growthForm = "multipart/form-data; boundary=b"

// readers are the ways in for what callers send.
var readers = []growth.Reader{
	{Name: "ScanJSON and Splice", Read: func(text []byte) {
		if j, err := ScanJSON(text); err == nil {
			j.Splice("provider", true)
		}
	}},
	{Name: "ScanForm and Splice", Read: func(text []byte) {
		if f, err := ScanForm(growthForm, text); err == nil {
			f.Splice("provider")
		}
	}},
	{Name: "Multipart", Read: func(text []byte) { passForm(bytes.NewReader(text)) }},
	{Name: "Multipart in small pieces", Read: func(text []byte) { passForm(pieces{bytes.NewReader(text), 61}) }},
	{Name: "Decode", Read: func(text []byte) {
		if in, err := Decode(bytes.NewReader(text), "gzip", 64<<20); err == nil {
			_, _ = io.Copy(io.Discard, in)
		}
	}},
}

func passForm(in io.Reader) {
	m, err := NewMultipart(growthForm, in)
	if err != nil || m.Prepare() != nil {
		return
	}
	m.Keep(1 << 20)
	m.SetModel("provider", func(string) bool { return true })
	_, _ = io.Copy(io.Discard, m)
}

// pieces hands out a few bytes at a time.
type pieces struct {
	in  io.Reader
	few int
}

func (p pieces) Read(b []byte) (int, error) { return p.in.Read(b[:min(len(b), p.few)]) }

const (
	growthPart  = "--b\r\nContent-Disposition: form-data; name="
	growthNamed = growthPart + "\"file\"; filename=\"f\""
	growthFile  = growthNamed + "\r\n\r\n"
	growthModel = growthPart + "\"model\"\r\n\r\nm\r\n"
	growthEnd   = "\r\n--b--\r\n"
)

var formShapes = []growth.Shape{
	{Name: "a file", Open: growthModel + growthFile, Unit: "some bytes ", Close: growthEnd},
	{Name: "a file of line ends", Open: growthModel + growthFile, Unit: "\r\n", Close: growthEnd},
	{Name: "a file of dashes", Open: growthModel + growthFile, Unit: "\r\n--", Close: growthEnd},
	{Name: "fields", Open: growthModel, Unit: growthPart + "\"#\"\r\n\r\n1\r\n", Close: "--b--\r\n"},
	{
		Name: "fields behind the file", Open: growthModel + growthFile,
		Unit: "\r\n" + growthPart + "\"#\"\r\n\r\n1", Close: growthEnd,
	},
	{Name: "files", Open: growthModel, Unit: growthFile + "\r\n", Close: "--b--\r\n"},
	{Name: "one long field", Open: growthPart + "\"prompt\"\r\n\r\n", Unit: "word ", Close: growthEnd},
	{Name: "headers", Open: growthNamed, Unit: "\r\nX-#: 1", Close: "\r\n\r\n" + growthEnd},
	{Name: "parameters", Open: growthPart + "\"file\"", Unit: "; p#=1", Close: "\r\n\r\n" + growthEnd},
	{Name: "continuations", Open: growthPart + "\"file\"; a*0=\"\"", Unit: "; a*#=1", Close: "\r\n\r\n" + growthEnd},
	{Name: "a preamble", Unit: "word ", Close: "\r\n" + growthModel},
	{Name: "a preamble of lines", Unit: "\r\n", Close: growthModel},
	{Name: "an epilogue", Open: growthModel + "--b--\r\n", Unit: "--b\r\n"},
	{Name: "blanks behind a boundary", Open: "--b", Unit: " "},
}

func gzipShapes(tb testing.TB) []growth.Shape {
	tb.Helper()
	return []growth.Shape{
		{Name: "members of nothing", Unit: string(zipped(tb, nil))},
		{Name: "members of zeros", Unit: string(zipped(tb, make([]byte, 64)))},
		{Name: "stored members", Unit: string(zipped(tb, []byte("1")))},
	}
}

func jsonShapes() []growth.Shape {
	return slices.Concat(growth.Values,
		growth.In(`{"model":"m","messages":`, growth.Values, "}"),
		growth.In(`{"model":"m","input":`, growth.Values, "}"),
		growth.In(`{"stream":true,"stream_options":`, growth.Values, "}"),
	)
}

// The work for what a caller sends grows with its length and no faster, whatever it is.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range readers {
		shapes := formShapes
		switch r.Name {
		case "ScanJSON and Splice":
			shapes = jsonShapes()
		case "Decode":
			shapes = gzipShapes(t)
		}
		growth.Check(t, r, shapes...)
	}
}

// FuzzWork looks for bytes whose work grows faster than their number.
func FuzzWork(f *testing.F) {
	growth.Fuzz(f, readers, slices.Concat(jsonShapes(), formShapes, gzipShapes(f))...)
}
