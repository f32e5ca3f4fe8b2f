package attest

import (
	"context"
	"time"

	budget "github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// formsWait is how long is waited for room to write a body in other forms.
	formsWait = 2 * time.Second
	// What a value of a document takes when it is read: an interface, what it points to, and its share of what holds it.
	valueMemory = 160
)

// check is Check, which writes the bodies in other forms only where they do not match as they were sent, and where
// there is memory for that: a body of nothing but brackets takes fifty times its size. Without it, the verdict is that
// of bodies that were not kept.
func (q *Queue) check(ctx context.Context, x Exchange, sig zg.Signature) Result {
	bare := x
	bare.Request, bare.Response = nil, nil
	r := Check(bare, sig) //nolint:contextcheck // it has nothing to write that could take long
	if (r.Code != CodeNotKept || x.Request == nil) && (r.Code != CodeRewritten || x.Response == nil) {
		return r
	}
	room := q.cfg.Memory.NewHold(formsWait)
	defer room.Free()
	if room.Take(ctx, max(requestForms(x.Request), responseForms(x.Response)), budget.Paid) != nil {
		return r
	}
	return checkWhile(ctx, x, sig)
}

// requestForms is what it takes to write a request in its canonical forms: the values that it is read into, and two
// forms, each while its buffer grows. Every character that is written as an escape of six is counted as one.
func requestForms(body []byte) int64 {
	values, size := int64(1), int64(len(body))
	for _, c := range body {
		switch c {
		case ',', ':', '{', '[':
			values++
		case '<', '>', '&':
			size += 5
		default:
			if c >= 0x80 || c < ' ' { // a line separator, or what is no text
				size += 2
			}
		}
	}
	return values*valueMemory + int64(len(body)) + 4*size
}

// responseForms is what it takes to write an answer in the forms that it may have been signed in, one at a time: an
// escape of six for each character beyond ASCII, and the texts of the members of every object that is put in order.
func responseForms(body []byte) int64 {
	members, wide := int64(1), int64(0)
	for _, c := range body {
		switch {
		case c == ':' || c == ',':
			members++
		case c >= 0x80:
			wide++
		}
	}
	return members*valueMemory + 4*int64(len(body)) + 12*wide
}
