package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

// The contracts' operators can append fields to a struct, as they did when session tokens became revocable: two fields
// more at the end of Account. What stands before them means what it meant, so it is read; but what the contract does
// with money may depend on what is new, so nothing is paid in automatically while a struct is not exactly the known one
// (layouts).

const (
	// maxAppended bounds the fields that a struct is believed to have more: real ones have a few, and any answer at all
	// could be taken for a large enough struct.
	maxAppended = 16
	// olderAccount is the number of fields of an Account before session tokens could be revoked.
	olderAccount = 9
)

var errNotGrown = errors.New("it is not the known layout with fields appended either")

// narrow reads an answer whose structs may have more fields at their end than are known, and returns the answer that it
// would be without them, and by struct how many there are more; fewer is negative. Everything that is known is held to
// what Solidity makes of it, as in checkLayout: parts in order, without gaps or overlaps; only behind the last known
// part of a struct that has grown there may be more.
func narrow(args abi.Arguments, data []byte) (known []byte, grown map[string]int, err error) {
	n := narrower{layout{data}, make(map[string]int)}
	types := make([]*abi.Type, len(args))
	for i := range args {
		types[i] = &args[i].Type
	}
	known, err = n.sequence(types, "", 0, len(data), false)
	if err == nil {
		err = checkLayout(args, known)
	}
	if err != nil {
		return nil, nil, err
	}
	return known, n.grown, nil
}

// structs are those of the contracts that are read, by a field that no other one has.
var structs = map[string]string{
	"availableBalance": "Ledger", "fullName": "ServiceInfo", "revokedBitmap": "Account", "processed": "Refund", "teeSignerAcknowledged": "Service",
}

// structName is the name of a struct that may grow; or empty.
func structName(t *abi.Type) string {
	for _, field := range t.TupleRawNames {
		if name := structs[field]; name != "" {
			return name
		}
	}
	return ""
}

type narrower struct {
	layout
	grown map[string]int
}

// sequence reads values that share one head, of the struct of this name, or of none. They lie from start to end; with
// slack there may be something else behind them.
func (n narrower) sequence(types []*abi.Type, name string, start, end int, slack bool) ([]byte, error) {
	whole, size := 0, end-start // of the head: known, and what is there
	first := -1
	for _, t := range types {
		if first < 0 && dynamic(t) {
			first = whole
		}
		whole += headSize(t)
	}
	if first >= 0 {
		offset, err := n.part(start+first, end)
		if err != nil {
			return nil, err
		}
		size = offset
	}
	more := (size - whole) / word
	switch {
	case size%word != 0 || size > end-start || first >= size:
		return nil, errShort
	case more != 0 && (name == "" || more > maxAppended || more < 0 && (name != "Account" || size != olderAccount*word)):
		return nil, errNotGrown
	}
	if name != "" {
		if before, seen := n.grown[name]; seen && before != more {
			return nil, fmt.Errorf("one %s has %d fields more, another %d", name, before, more)
		}
		n.grown[name] = more
	}
	parts, err := n.parts(types, start, size, end)
	if err != nil {
		return nil, err
	}
	slack = slack || more > 0
	var head, tail []byte
	for at := start; len(types) > 0; types = types[1:] {
		t := types[0]
		if at-start >= size { // older: it has none
			if dynamic(t) {
				return nil, errNotGrown
			}
			head = append(head, make([]byte, headSize(t))...)
			continue
		}
		if !dynamic(t) {
			next, err := n.static(t, at)
			if err != nil {
				return nil, err
			}
			head, at = append(head, n.data[at:next]...), next
			continue
		}
		to := end
		if len(parts) > 1 {
			to = parts[1]
		}
		b, err := n.dynamic(t, parts[0], to, slack && len(parts) == 1)
		if err != nil {
			return nil, err
		}
		head, tail, parts, at = append(head, number(whole+len(tail))...), append(tail, b...), parts[1:], at+word
	}
	return append(head, tail...), nil
}

// parts are where the tails of the dynamic values in a head begin, which has to be in their order, the first right
// behind it.
func (n narrower) parts(types []*abi.Type, start, size, end int) (out []int, err error) {
	at := start
	for _, t := range types {
		if at-start >= size {
			break
		}
		if !dynamic(t) {
			at += headSize(t)
			continue
		}
		offset, err := n.part(at, end)
		if err != nil {
			return nil, err
		}
		if start+offset > end || (len(out) > 0 && start+offset <= out[len(out)-1]) {
			return nil, fmt.Errorf("offset %d at byte %d leads out of its order", offset, at)
		}
		out, at = append(out, start+offset), at+word
	}
	return out, nil
}

// part reads an offset or a count that lies before end.
func (n narrower) part(at, end int) (int, error) {
	if at+word > end {
		return 0, errShort
	}
	return n.number(at)
}

// dynamic reads what a head points to.
func (n narrower) dynamic(t *abi.Type, from, to int, slack bool) ([]byte, error) {
	if t.T == abi.TupleTy {
		return n.sequence(t.TupleElems, structName(t), from, to, slack)
	}
	count, err := n.part(from, to)
	if err != nil {
		return nil, err
	}
	body := from + word
	if t.T == abi.SliceTy {
		b, err := n.elements(t.Elem, count, body, to, slack)
		return append(number(count), b...), err
	}
	end := body + (count+word-1)/word*word
	if end > to || (end < to && !slack) {
		return nil, errShort
	}
	return n.data[from:end], n.zero(body+count, end)
}

// elements reads those of an array.
func (n narrower) elements(elem *abi.Type, count, body, to int, slack bool) ([]byte, error) {
	size := headSize(elem)
	if count > (to-body)/size || (count == 0 && body != to && !slack) {
		return nil, errShort
	}
	if count == 0 {
		return nil, nil
	}
	if dynamic(elem) {
		types := slices.Repeat([]*abi.Type{elem}, count)
		return n.sequence(types, "", body, to, slack)
	}
	stride := size
	if !slack {
		stride = (to - body) / count
	}
	more := (stride - size) / word
	switch {
	case !slack && (stride*count != to-body || stride%word != 0 || stride < size):
		return nil, errShort
	case more > 0 && (structName(elem) == "" || more > maxAppended):
		return nil, errNotGrown
	case structName(elem) != "":
		n.grown[structName(elem)] = more
	}
	var out []byte
	for at := body; count > 0; at, count = at+stride, count-1 {
		end, err := n.static(elem, at)
		if err != nil {
			return nil, err
		}
		out = append(out, n.data[at:end]...)
	}
	return out, nil
}

// number is a word that counts.
func number(v int) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, word-8, word), uint64(v))
}

// layouts are structs of the contracts as they were read: by name, how many fields they have more than are known.
type layouts struct {
	mu    sync.Mutex
	grown map[string]int
}

// note takes in how structs were. Only what endpoints agree on makes one the known one again.
func (l *layouts) note(seen map[string]int, agreed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, more := range seen {
		if more == 0 && !agreed {
			continue
		}
		if l.grown == nil {
			l.grown = make(map[string]int)
		}
		l.grown[name] = more
	}
}

func (l *layouts) all() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.grown)
}

// collecting is the layouts that a reading notes, in its context.
type collecting struct{}

// collect has a reading note the structs that it sees, until the endpoints have agreed on it.
func collect(ctx context.Context) (context.Context, *layouts) {
	l := &layouts{}
	return context.WithValue(ctx, collecting{}, l), l
}

// saw takes note of the structs in an answer.
func (c *Client) saw(ctx context.Context, grown map[string]int) {
	if l, ok := ctx.Value(collecting{}).(*layouts); ok {
		l.note(grown, true)
		return
	}
	c.layouts.note(grown, false)
}

// Changed says which structs of the contracts were not the known ones when they were read last, in words.
func (c *Client) Changed() []string {
	all := c.layouts.all()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch more := all[name]; {
		case more > 0:
			out = append(out, fmt.Sprintf("%s has %d fields more than are known", name, more))
		case more < 0:
			out = append(out, fmt.Sprintf("%s has %d fields less than are known", name, -more))
		}
	}
	return out
}
