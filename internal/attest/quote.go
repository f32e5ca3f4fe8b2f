package attest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// ErrQuote means that bytes are not a quote of a known form, or that it names no signer.
var ErrQuote = errors.New("not a quote that names a signer")

// Where a quote of Intel's TDX has its parts: a header of 48 bytes, in version 5 a descriptor of 6, then the report of
// the enclave. The last 64 bytes of the report's first 584 are the enclave's own words.
const (
	quoteHeader     = 48
	quoteDescriptor = 6
	quoteReport     = 584
	quoteWords      = 64

	quoteKeyECDSA = 2    // the kind of key that signed it: ECDSA over P-256
	quoteTDX      = 0x81 // the kind of enclave
	quoteReport10 = 2    // in version 5: a report of TDX 1.0, 584 bytes
	quoteReport15 = 3    // … and of TDX 1.5, 64 bytes longer
)

// QuotedSigner returns the signer that an enclave names in its quote. It reads, and checks nothing: not who signed the
// quote, so anybody can have written it; not what program it speaks of. The error is ErrQuote.
func QuotedSigner(quote []byte) (common.Address, error) {
	if len(quote) < quoteHeader+quoteDescriptor {
		return common.Address{}, fmt.Errorf("%w: %d bytes are too few", ErrQuote, len(quote))
	}
	little := binary.LittleEndian
	version, key, kind := little.Uint16(quote), little.Uint16(quote[2:]), little.Uint32(quote[4:])
	if key != quoteKeyECDSA || kind != quoteTDX {
		return common.Address{}, fmt.Errorf("%w: a quote of kind %#x with a key of kind %d", ErrQuote, kind, key)
	}
	report := quote[quoteHeader:]
	switch version {
	case 4:
	case 5:
		switch form, size := little.Uint16(report), little.Uint32(report[2:]); {
		case form == quoteReport10 && size == quoteReport, form == quoteReport15 && size == quoteReport+64:
			report = report[quoteDescriptor:]
		default:
			return common.Address{}, fmt.Errorf("%w: a report of kind %d with %d bytes", ErrQuote, form, size)
		}
	default:
		return common.Address{}, fmt.Errorf("%w: version %d", ErrQuote, version)
	}
	if len(report) < quoteReport {
		return common.Address{}, fmt.Errorf("%w: it is cut off", ErrQuote)
	}
	return namedIn([quoteWords]byte(report[quoteReport-quoteWords : quoteReport]))
}

// namedIn reads the layouts that providers are known to use. That of newer brokers has a key for sealed requests in
// front; others the address as text, or as bytes with zeros or with zeros and a challenge behind.
func namedIn(words [quoteWords]byte) (common.Address, error) {
	var found []common.Address
	add := func(a common.Address) {
		if a != (common.Address{}) {
			found = append(found, a)
		}
	}
	if text, ok := strings.CutPrefix(string(words[:]), "0x"); ok && zero(words[42:]) {
		if a, err := hex.DecodeString(text[:40]); err == nil {
			add(common.BytesToAddress(a))
		}
	}
	if binary.BigEndian.Uint32(words[52:]) == 1 && zero(words[56:]) && !zero(words[:32]) {
		add(common.BytesToAddress(words[32:52]))
	}
	if zero(words[20:32]) {
		add(common.BytesToAddress(words[:20]))
	}
	if len(found) != 1 {
		return common.Address{}, fmt.Errorf("%w: what it says has no known layout", ErrQuote)
	}
	return found[0], nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
