package chain

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

// ErrLayout means that a contract's answer is not encoded the way this version of zgproxy knows. The contracts can be
// upgraded behind their addresses; money is not read from a struct whose fields may have moved.
var ErrLayout = errors.New("the contract's answer is not laid out as expected (if the contract was upgraded, zgproxy needs to be too)")

const word = 32

// checkLayout verifies that data is, byte for byte, the encoding that Solidity makes of these types: every part follows
// the one before without gaps, overlaps or rests, unused bytes are zero and booleans are 0 or 1. The decoder of the ABI
// library is content with less: it follows any offset, so that a short answer can describe an endless one, and it drops
// the high bytes of an address. Nothing is allocated, and no byte is looked at twice.
func checkLayout(args abi.Arguments, data []byte) error {
	end, err := (layout{data}).sequence(len(args), func(i int) *abi.Type { return &args[i].Type }, 0)
	if err != nil {
		return err
	}
	if end != len(data) {
		return fmt.Errorf("%d bytes where %d are expected", len(data), end)
	}
	return nil
}

type layout struct{ data []byte }

// sequence checks n values that share one head, which starts at base, and returns where the last of them ends.
func (l layout) sequence(n int, typ func(int) *abi.Type, base int) (end int, err error) {
	head, tail := base, base
	for i := range n {
		tail += headSize(typ(i))
		if tail > len(l.data) {
			return 0, errShort
		}
	}
	for i := range n {
		t := typ(i)
		if !dynamic(t) {
			if head, err = l.static(t, head); err != nil {
				return 0, err
			}
			continue
		}
		offset, err := l.number(head)
		if err != nil {
			return 0, err
		}
		if offset != tail-base {
			return 0, fmt.Errorf("offset %d at byte %d, expected %d", offset, head, tail-base)
		}
		if tail, err = l.tail(t, tail); err != nil {
			return 0, err
		}
		head += word
	}
	return tail, nil
}

var errShort = errors.New("it ends too early")

// tail checks the part of a dynamic value that is not in the head.
func (l layout) tail(t *abi.Type, at int) (end int, err error) {
	if t.T == abi.TupleTy {
		return l.sequence(len(t.TupleElems), func(i int) *abi.Type { return t.TupleElems[i] }, at)
	}
	n, err := l.number(at)
	if err != nil {
		return 0, err
	}
	at += word
	if t.T == abi.SliceTy {
		if n > (len(l.data)-at)/headSize(t.Elem) {
			return 0, errShort
		}
		return l.sequence(n, func(int) *abi.Type { return t.Elem }, at)
	}
	if n > len(l.data)-at {
		return 0, errShort
	}
	end = at + (n+word-1)/word*word
	return end, l.zero(at+n, end)
}

// static checks a value that lies in the head as a whole.
func (l layout) static(t *abi.Type, at int) (end int, err error) {
	end = at + word
	switch t.T {
	case abi.TupleTy:
		for _, e := range t.TupleElems {
			if at, err = l.static(e, at); err != nil {
				return 0, err
			}
		}
		return at, nil
	case abi.AddressTy:
		return end, l.zero(at, at+12)
	case abi.UintTy:
		return end, l.zero(at, end-t.Size/8)
	case abi.FixedBytesTy:
		return end, l.zero(at+t.Size, end)
	case abi.BoolTy:
		if l.data[end-1] > 1 {
			return 0, fmt.Errorf("byte %d is no boolean", end-1)
		}
		return end, l.zero(at, end-1)
	}
	return 0, fmt.Errorf("no layout is known for %s", t)
}

// number reads a word that counts bytes or elements of this very answer.
func (l layout) number(at int) (int, error) {
	if at+word > len(l.data) {
		return 0, errShort
	}
	n := new(big.Int).SetBytes(l.data[at : at+word])
	if !n.IsInt64() || n.Int64() > int64(len(l.data)) {
		return 0, errShort
	}
	return int(n.Int64()), nil
}

func (l layout) zero(from, to int) error {
	if to > len(l.data) {
		return errShort
	}
	for i := from; i < to; i++ {
		if l.data[i] != 0 {
			return fmt.Errorf("byte %d is not zero", i)
		}
	}
	return nil
}

func dynamic(t *abi.Type) bool {
	switch t.T {
	case abi.StringTy, abi.BytesTy, abi.SliceTy:
		return true
	case abi.TupleTy:
		return slices.ContainsFunc(t.TupleElems, dynamic)
	}
	return false
}

func headSize(t *abi.Type) int {
	if t.T != abi.TupleTy || dynamic(t) {
		return word
	}
	size := 0
	for _, e := range t.TupleElems {
		size += headSize(e)
	}
	return size
}
