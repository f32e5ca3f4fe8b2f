package attest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// quoteOf makes what has the form of a quote. TDX 1.5 in version 5 is form 3; with form 0 there is no descriptor.
func quoteOf(version, form uint16, words []byte) []byte {
	q := make([]byte, quoteHeader)
	binary.LittleEndian.PutUint16(q, version)
	binary.LittleEndian.PutUint16(q[2:], quoteKeyECDSA)
	binary.LittleEndian.PutUint32(q[4:], quoteTDX)
	size := quoteReport
	if form == quoteReport15 {
		size += 64
	}
	if form != 0 {
		q = binary.LittleEndian.AppendUint16(q, form)
		q = binary.LittleEndian.AppendUint32(q, uint32(size))
	}
	report := bytes.Repeat([]byte{0xee}, size)
	clear(report[quoteReport-quoteWords : quoteReport])
	copy(report[quoteReport-quoteWords:quoteReport], words)
	return append(q, report...)
}

func TestQuotedSigner(t *testing.T) {
	signer := common.HexToAddress("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
	challenge := bytes.Repeat([]byte{7}, 32)
	sealing := append(append(bytes.Repeat([]byte{9}, 32), signer[:]...), 0, 0, 0, 1)
	none := common.Address{}
	for name, tt := range map[string]struct {
		quote []byte
		want  common.Address
	}{
		"as text":                            {quoteOf(4, 0, []byte(signer.Hex())), signer},
		"as text, not in mixed case":         {quoteOf(4, 0, []byte(strings.ToLower(signer.Hex()))), signer},
		"as bytes":                           {quoteOf(4, 0, signer[:]), signer},
		"as bytes, with a challenge":         {quoteOf(4, 0, append(common.RightPadBytes(signer[:], 32), challenge...)), signer},
		"with a key for sealed requests":     {quoteOf(4, 0, sealing), signer},
		"version 5":                          {quoteOf(5, quoteReport10, signer[:]), signer},
		"version 5, TDX 1.5":                 {quoteOf(5, quoteReport15, signer[:]), signer},
		"padded":                             {append(quoteOf(4, 0, signer[:]), make([]byte, 100)...), signer},
		"nobody":                             {quoteOf(4, 0, nil), none},
		"nobody, with a challenge":           {quoteOf(4, 0, append(make([]byte, 32), challenge...)), none},
		"something after the text":           {quoteOf(4, 0, []byte(signer.Hex()+"x")), none},
		"text that is no address":            {quoteOf(4, 0, []byte("0x"+strings.Repeat("g", 40))), none},
		"a later layout for sealed requests": {quoteOf(4, 0, append(sealing[:52:52], 0, 0, 0, 2)), none},
		"a digest":                           {quoteOf(4, 0, bytes.Repeat([]byte{3}, 64)), none},
		"version 3":                          {quoteOf(3, 0, signer[:]), none},
		"version 5 of another kind":          {quoteOf(5, 1, signer[:]), none},
		"cut off":                            {quoteOf(4, 0, signer[:])[:600], none},
		"cut off early":                      {quoteOf(4, 0, signer[:])[:53], none},
		"nothing":                            {nil, none},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := QuotedSigner(tt.quote)
			if got != tt.want || (err == nil) != (tt.want != none) || (err != nil && !errors.Is(err, ErrQuote)) {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
	sgx := quoteOf(4, 0, signer[:])
	binary.LittleEndian.PutUint32(sgx[4:], 0)
	if got, err := QuotedSigner(sgx); !errors.Is(err, ErrQuote) {
		t.Errorf("a quote of SGX names %s, %v", got, err)
	}
}

func FuzzQuotedSigner(f *testing.F) {
	f.Add(quoteOf(4, 0, []byte("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")))
	f.Add(quoteOf(5, quoteReport15, bytes.Repeat([]byte{1}, 20)))
	f.Fuzz(func(t *testing.T, quote []byte) {
		if signer, err := QuotedSigner(quote); (signer == common.Address{}) != (err != nil) {
			t.Errorf("%s, %v", signer, err)
		}
	})
}
