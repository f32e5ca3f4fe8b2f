package config

import (
	"slices"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
)

func decoder[T any, P interface {
	*T
	Decode(text string) error
}](name string) growth.Reader {
	return growth.Reader{Name: name, Most: maxEnvFile, Read: func(text []byte) { _ = P(new(T)).Decode(string(text)) }}
}

// readers are the ways in for what stands in variables and files. None of it is longer than maxEnvFile.
var readers = []growth.Reader{
	{Name: "a file of variables", Most: maxEnvFile, Read: func(text []byte) { _, _ = parseEnvFile(text) }},
	decoder[EndpointList]("endpoints"), decoder[NameMap]("names"), decoder[AddressList]("addresses"),
	decoder[StringsList]("words"), decoder[NodeURLs]("URLs of nodes"), decoder[SignerEndpoint]("the URL of a signer"),
	decoder[Amount]("an amount"), decoder[GasPrice]("a price of gas"), decoder[ByteSize]("a size"),
}

var shapes = []growth.Shape{
	{Name: "lines", Unit: "\n"},
	{Name: "no variables", Unit: "A=b\n"},
	{Name: "misspelt variables", Unit: "ZGPROXY_#=b\n"},
	{Name: "one long misspelt variable", Open: "ZGPROXY_", Unit: "A_", Close: "=b\n"},
	{Name: "one variable again", Unit: "ZGPROXY_HOST=b\n"},
	{Name: "a long value", Open: "ZGPROXY_HOST=", Unit: "b", Close: "\n"},
	{Name: "comments", Unit: "# word\n"},
	{Name: "blanks", Unit: " "},
	{Name: "quotes", Open: "ZGPROXY_HOST=", Unit: `"`},
	{Name: "endpoints", Unit: "id=e# url=http://x models=m;"},
	{Name: "models", Open: "id=e url=http://x models=", Unit: "m#|"},
	{Name: "pairs", Unit: "n#=m,"},
	{Name: "addresses", Unit: "0x00000000000000000000000000000000000f#,"},
	{Name: "an address again", Unit: "0xa00000000000000000000000000000000000000f,"},
	{Name: "words", Unit: "#,"},
	{Name: "commas", Unit: ","},
	{Name: "semicolons", Unit: ";"},
	{Name: "URLs", Unit: "http://x/#,"},
	{Name: "a long URL", Open: "http://x/", Unit: "a/"},
	{Name: "digits", Unit: "1"},
	{Name: "a fraction", Open: "0.", Unit: "1"},
	{Name: "zeros", Unit: "0", Close: " gwei"},
}

// The work for what the owner has written grows with its length and no faster: others may have made the file.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range readers {
		growth.Check(t, r, shapes...)
	}
}

// FuzzWork looks for values whose work grows faster than their length.
func FuzzWork(f *testing.F) { growth.Fuzz(f, readers, slices.Clone(shapes)...) }
