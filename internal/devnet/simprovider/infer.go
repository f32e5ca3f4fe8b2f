package simprovider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// exchange is one inference request on its way through the provider. One goroutine, the request's, uses it.
type exchange struct {
	p      *Provider
	w      http.ResponseWriter
	r      *http.Request
	kind   zg.ServiceType
	fault  Fault
	user   common.Address
	price  zg.Price
	key    string // the chat's, lower-case UUID
	out    *outlet
	status int  // of the answer when all is well
	mute   bool // the answer announces no signature
	cut    bool // the connection is gone by our own doing
	// reserve is on the request's row until it has ended, or its job has.
	reserve zg.Neuron
	record  Exchange
}

func (p *Provider) infer(w http.ResponseWriter, r *http.Request, path string, to route) {
	p.active.Add(1)
	defer p.active.Add(-1)
	x := &exchange{
		p: p, w: w, r: r, kind: to.kind, fault: p.faults.take(false), key: newChatKey(),
		out: newOutlet(w, r.Context()), status: http.StatusOK,
	}
	if x.fault.Kind == Trickle {
		x.out.pause = x.pauseByte
	}
	x.record = Exchange{Path: path, Headers: slices.Sorted(maps.Keys(r.Header)), Fault: x.fault.Kind}
	defer x.finish()
	if err := x.serve(to.serve); err != nil && !x.cut { //nolint:contextcheck // answers go on after their client, as long as the provider does
		x.answerRefusal(asRefusal(err))
	}
}

// serve is the whole course of a request; an error is one that was refused.
func (x *exchange) serve(model func(*exchange) error) error {
	if err := x.p.limits.enter(); err != nil {
		return err
	}
	defer x.p.limits.leave()
	switch x.fault.Kind {
	case ResetBeforeHeaders:
		x.readAll()
		x.reset()
		return nil
	case DieBeforeFirstByte:
		x.readAll()
		x.die()
		return nil
	default:
	}
	if refusal := x.fault.refusal(); refusal != nil {
		x.readAll()
		return refusal
	}
	user, err := x.p.authorize(x.r.Context(), x.r.Header)
	if err != nil {
		return err
	}
	x.user, x.record.User = user, user
	if !x.p.whitelist[user] {
		if err := x.p.limits.enterWallet(user, x.dialect(), x.w.Header()); err != nil {
			return err
		}
		defer x.p.limits.leaveWallet(user)
	}
	return model(x)
}

// admit is what every kind of request has to pass once its model is known.
func (x *exchange) admit(model string) error { return x.admitFor(model, 0) }

// admitFor is admit for a request that needs money for so many units of output besides.
func (x *exchange) admitFor(model string, units uint64) error {
	x.record.Model = model
	if err := x.p.checkModel(x.user, model); err != nil {
		return err
	}
	x.price, _ = x.p.cfg.price(model) // just checked
	cost := x.price.Output.Mul(units)
	if err := x.p.admit(x.r.Context(), x.user, cost); err != nil {
		return err
	}
	if x.kind != x.p.cfg.Type { // the model server knows nothing of such a route
		return modelError(http.StatusNotFound, "NotFoundError", "Not Found")
	}
	if x.p.cfg.ReserveOnRow && !x.p.whitelist[x.user] {
		x.reserve = cost
		x.p.purse.hold(x.user, cost)
	}
	return nil
}

// closing is why a request fails that the provider's end has overtaken.
func (x *exchange) closing() error { return fmt.Errorf("the provider closes: %w", x.p.ctx.Err()) }

// readBody reads a JSON body whole.
func (x *exchange) readBody() ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(x.r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	x.received(int64(len(body)), sha256.Sum256(body))
	if len(body) > maxBody {
		return nil, errTooLarge()
	}
	return body, nil
}

// readJSON is readBody of a request that is a JSON document and nothing else, read into v.
func (x *exchange) readJSON(v any) ([]byte, error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, invalidJSON(err)
	}
	return body, nil
}

func errTooLarge() error {
	return refuseWith(http.StatusRequestEntityTooLarge, "Request body size exceeds the maximum allowed size of 32MB")
}

func (x *exchange) received(n int64, sum [sha256.Size]byte) {
	x.record.RequestBytes, x.record.RequestSHA256 = n, hex.EncodeToString(sum[:])
}

// readAll reads a body that nobody looks at, for the record.
func (x *exchange) readAll() {
	h := sha256.New()
	n, _ := io.Copy(h, io.LimitReader(x.r.Body, maxBody)) // what arrived is recorded, whatever kept the rest
	x.received(n, [sha256.Size]byte(h.Sum(nil)))
}

// answerHeaders writes what all good answers carry, after the pause of a slow provider.
func (x *exchange) answerHeaders(contentType string, length int) {
	if x.fault.Kind == SlowFirstByte {
		x.pause()
	}
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Provider", x.p.address.Hex())
	h.Set("Access-Control-Expose-Headers", "Provider, content-encoding, ZG-Res-Key, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests")
	if key := x.announced(); key != "" {
		h.Set("ZG-Res-Key", key)
		x.record.ResKey = key
	}
	if x.fault.Kind == HeaderFlood {
		x.fault.flood(h)
	}
	x.out.collect = x.collects()
	if length >= 0 && !x.out.collect {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	x.record.Status = x.status
	x.w.WriteHeader(x.status)
	if x.out.pause != nil {
		x.out.push() // the headers need not wait
	}
}

func (x *exchange) answerRefusal(r *refusalError) {
	h := x.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	maps.Copy(h, r.header)
	x.record.Status = r.status
	x.w.WriteHeader(r.status)
	body := r.body
	if r.message != nil && x.dialect() == anthropic {
		body = r.message
	}
	x.out.write(body)
}

// bill computes the fee of an answer and records it. It comes before the last byte, so that whoever has read that finds
// the fee among the unsettled ones.
func (x *exchange) bill(u zg.Usage) {
	fee, _ := zg.Fee(x.kind, x.price, u) // inexact means: by words, which is what a provider does then
	x.book(u, fee)
}

// book is bill for a fee that is known.
func (x *exchange) book(u zg.Usage, fee zg.Neuron) {
	x.record.Usage = u
	if x.p.whitelist[x.user] || x.p.killed.Load() {
		return
	}
	x.record.Fee = fee
	x.p.purse.replace(x.user, x.reserve, fee)
	x.reserve = zg.Neuron{}
	x.p.limits.charge(x.user, u.InputTokens+u.OutputTokens, u.Images)
}

// strike does what the fault wants at the given place of an answer. It reports whether the answer goes on.
func (x *exchange) strike(place int) bool {
	if place != x.fault.After {
		return true
	}
	switch x.fault.Kind {
	case Stall:
		x.out.flush()
		x.pause()
	case Truncate:
		return false
	case MidStreamError:
		x.out.write([]byte(cmp.Or(x.fault.Body, `{"error":"the model server has gone away"}`)))
		x.out.flush()
		return false
	case GarbageSSE:
		for _, line := range garbage {
			x.out.write([]byte(line))
		}
		x.out.flush()
	case ResetMidStream:
		x.out.flush()
		x.reset()
	default:
	}
	return true
}

// pause waits as long as the fault wants: for its Delay, or until the client has left.
func (x *exchange) pause() {
	if x.fault.Delay > 0 {
		x.p.wait(x.r.Context(), x.fault.Delay)
		return
	}
	<-x.r.Context().Done() // also ends with Close
}

// pauseByte is the pause before each byte of an answer that trickles. It reports whether anybody still waits for one.
func (x *exchange) pauseByte() bool { return x.p.wait(x.r.Context(), x.fault.Delay) }

// die takes the whole provider along.
func (x *exchange) die() {
	x.cut, x.out.left = true, true
	x.p.Kill()
}

// reset cuts the connection so that the other side sees a reset, not an end.
func (x *exchange) reset() {
	x.cut, x.out.left = true, true
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server then cuts it, less rudely
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is polite, which is bad enough
	}
	_ = conn.Close() // it is being destroyed
}

// finish puts the exchange on record.
func (x *exchange) finish() {
	if x.out.collect {
		x.release()
	}
	x.record.ResponseBytes, x.record.ResponseSHA256 = x.out.sentBytes, hex.EncodeToString(x.out.sent.Sum(nil))
	x.record.ClientLeft = x.out.left && !x.cut
	x.p.purse.free(x.user, x.reserve)
	x.p.records.add(x.record)
}

// deliver writes a body that is complete before its first byte goes out, signed and billed.
func (x *exchange) deliver(contentType string, body []byte) {
	x.answerHeaders(contentType, len(body))
	const parts = 4
	for i := range parts {
		if !x.strike(i) {
			break
		}
		x.out.write(body[i*len(body)/parts : (i+1)*len(body)/parts])
	}
	x.out.flush()
}

// outlet is the way to the client: it hashes and counts, notices when the client has left, and swallows the rest then.
type outlet struct {
	w         http.ResponseWriter
	flusher   *http.ResponseController
	ctx       context.Context // of the request; ends when the client leaves
	whole     hash.Hash       // of all that was written
	sent      hash.Hash       // of what was handed to the network
	sentBytes int64
	drained   int64 // written since the client has left
	left      bool
	collect   bool // nothing is sent yet
	pieces    [][]byte
	pause     func() bool // before every single byte; nil: bytes go out as they come
}

func newOutlet(w http.ResponseWriter, ctx context.Context) *outlet { //nolint:revive // the context is kept, not passed along
	return &outlet{w: w, flusher: http.NewResponseController(w), ctx: ctx, whole: sha256.New(), sent: sha256.New()}
}

func (o *outlet) write(b []byte) {
	o.whole.Write(b)
	if o.collect {
		o.pieces = append(o.pieces, bytes.Clone(b))
		return
	}
	o.send(b)
}

// send hands bytes to the network, whether or not they belong to the answer.
func (o *outlet) send(b []byte) {
	if o.ctx.Err() != nil {
		o.left = true
	}
	for len(b) > 0 && !o.left {
		piece := b
		if o.pause != nil {
			if o.left = !o.pause(); o.left {
				break
			}
			piece = b[:1]
		}
		n, err := o.w.Write(piece)
		o.sent.Write(piece[:n])
		o.sentBytes += int64(n)
		if o.left = err != nil; o.left {
			break
		}
		if b = b[len(piece):]; o.pause != nil {
			o.push()
		}
	}
	if o.left {
		o.drained += int64(len(b))
	}
}

func (o *outlet) flush() {
	if o.left || o.collect {
		return
	}
	o.push()
}

func (o *outlet) push() {
	if err := o.flusher.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		o.left = true
	}
}

// digest is that of everything written so far.
func (o *outlet) digest() string { return hex.EncodeToString(o.whole.Sum(nil)) }

// newChatKey is a random UUID.
func newChatKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// created is the time that answers carry.
func (x *exchange) created() int64 { return x.p.cfg.Now().Round(time.Second).Unix() }
