package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/sse"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What the signature of an answer showed is told in its header where that is known in time, else in a trailer.
const (
	verdictHeader = "X-Zgproxy-Verdict"
	verdictCode   = "X-Zgproxy-Verdict-Code" // a stable cause, where there is one
)

const (
	// How long an answer is withheld for its verdict. Providers have the signature at once, or within a few seconds.
	enforceWait = 10 * time.Second
	// How long the end of an answer that has been delivered waits for its verdict where the caller reads trailers.
	trailerWait = 3500 * time.Millisecond
	// Memory for withheld answers is set aside in such pieces.
	heldStep = 64 << 10
)

// Values of the header that most answers have, ready made.
var (
	pending   = []string{string(zg.VerdictPending)}
	notSigned = []string{string(zg.VerdictNotSigned)}
)

// tellVerdict puts the verdict among the headers, which after the body are the trailers.
func (c *call) tellVerdict(j zg.Judgement) {
	h := c.w.Header()
	switch j.Verdict {
	case "":
		return // nothing is checked
	case zg.VerdictPending:
		h[verdictHeader] = pending
	case zg.VerdictNotSigned:
		h[verdictHeader] = notSigned
	default:
		h[verdictHeader] = []string{string(j.Verdict)}
	}
	if j.Code != "" {
		h[verdictCode] = []string{j.Code}
	}
}

// judge waits for the verdict on an answer that was recorded, or until there is no more time for it. The caller may
// have left meanwhile; one that only closed its sending side still gets its answer.
func (x *exchange) judge(ctx context.Context, wait time.Duration) {
	if x.judgement.Verdict != zg.VerdictPending {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	x.judged = true
	j := x.srv.cfg.Judge(ctx, x.done)
	if j.Verdict == zg.VerdictUnavailable && ctx.Err() != nil && !x.srv.cfg.Enforce {
		j = zg.Judgement{Verdict: zg.VerdictPending} // nothing hangs on it, and it may still come
	}
	x.judgement = j
}

// reserve sees to it that so much may be held of this answer, and waits a little for it: the answer is paid for, and
// its provider can wait. What every answer may hold anyway is part of what its call has.
func (r *relaying) reserve(total int64) bool {
	if total > max(r.srv.cfg.HoldBytes, maxHeld) {
		r.refused = r.errTooLarge()
		return false
	}
	need := total
	if kind := r.offer.Service.Type; !r.stream && (kind == zg.TextToImage || kind == zg.ImageEditing) {
		need = 2 * total // what nobody signed may have to be left out, which makes another document
	}
	short := need - maxHeld - r.reserved
	if short <= 0 {
		return true
	}
	if short = (short + heldStep - 1) / heldStep * heldStep; r.memory.Take(r.ctx, short, memory.Paid) != nil {
		r.refused = r.errHeldTogether()
		return false
	}
	r.reserved += short
	return true
}

// grow makes room in a buffer that is full of an answer that has to be held whole. Where there is none, the answer is
// refused.
func (r *relaying) grow(buf []byte) []byte {
	size, most := int64(len(buf)), max(r.srv.cfg.HoldBytes, maxHeld)
	more := 2 * size
	if more >= most {
		more = most + 1 // a byte more than the most shows whether the answer ends there
	}
	if size > most {
		r.refused = r.errTooLarge()
		return buf
	}
	if !r.reserve(more - 1) {
		return buf
	}
	larger := make([]byte, more)
	copy(larger, buf)
	return larger
}

// freeLines is how much the lines of a stream may take as part of what every call has in memory.
const freeLines = callMemory / 2

// freePieces is what a piece of a stream takes on its way: as much as is read at once, three times.
const freePieces = 3 * (40 << 10)

// weigh sets memory aside for lines that are so long that they take more than every call has. Ordinary ones are a
// hundredth of that; a provider that sends long ones in all its streams would else fill as much memory as there are
// callers.
func (r *relaying) weigh() error {
	if r.refused != nil {
		return nil //nolint:nilerr // it ends anyway, and nothing of it is kept any more
	}
	n := max(cap(r.clear)+cap(r.scratch)+cap(r.passed)-freePieces, 0) + r.tap.Kept()
	if r.cutoff != nil {
		n += r.cutoff.Kept()
	}
	if r.filter != nil {
		n += r.filter.Kept()
	}
	if r.weighed = max(r.weighed, freeLines); int64(n) <= r.weighed {
		return nil
	}
	more := (int64(n) - r.weighed + heldStep - 1) / heldStep * heldStep
	if err := r.memory.Take(r.ctx, more, memory.Paid); err != nil {
		return err
	}
	r.weighed += more
	return nil
}

// withhold begins to keep back the end of a stream. Where several choices are asked for, the first of them may end long
// before the last, so that more may follow.
func (r *relaying) withhold() {
	limit := int64(maxHeld)
	if r.choices > 1 {
		limit = max(limit, r.srv.cfg.HoldBytes)
	}
	r.tail = sse.NewHold(int(limit))
}

// keepTail looks after the bounds of what is kept back.
func (r *relaying) keepTail() {
	switch {
	case r.refused != nil:
	case r.tail.Overflowed():
		r.refused = r.errTooLarge()
	case len(r.tail.Held()) > maxHeld:
		r.reserve(int64(len(r.tail.Held())))
	}
}

// refuse ends an answer that must not reach the caller. It has been recorded.
func (r *relaying) refuse(e *APIError) error {
	if r.begun {
		r.breakOff(e)
	}
	r.w.Header()[providerHeader] = []string{r.offer.Label}
	r.tellFee()
	r.tellVerdict(r.judgement)
	return e
}

func (r *relaying) errTooLarge() *APIError {
	return problem("answer_too_large_to_hold", fmt.Sprintf("The answer is larger than may be held until its signature is checked (%d bytes), so it is withheld. "+
		"Raise ZGPROXY_VERIFY_HOLD, or set ZGPROXY_VERIFY=observe to get answers before they are checked.", max(r.srv.cfg.HoldBytes, maxHeld)))
}

func (r *relaying) errHeldTogether() *APIError {
	return problem("too_many_answers_held", fmt.Sprintf("So many large answers are held until their signatures are checked that there is no room for this one (%d bytes "+
		"for all), so it is withheld. Ask for fewer at a time, or give zgproxy more memory (ZGPROXY_MEMORY).", r.srv.memory.Most(memory.Paid)))
}

// errNotVerified says why an answer is withheld.
func (r *relaying) errNotVerified() *APIError {
	j := r.judgement
	sentence := j.Sentence(r.offer.Service.Info.Centralized())
	if j.Verdict == zg.VerdictPending {
		sentence = "its signature could not be checked in time"
	}
	e := problem("answer_not_verified", "The answer is withheld")
	if r.begun {
		e.Message = "Do not use what came of this answer; its end is withheld"
	}
	e.Message += " (ZGPROXY_VERIFY=enforce): " + sentence
	if j.Code != "" {
		e.Message += " (" + j.Code + ")"
	}
	e.Message += "."
	return e
}

// paid adds to an error what the answer cost all the same, and how to find its record.
func (r *relaying) paid(e *APIError) *APIError {
	e.Message += fmt.Sprintf(" The provider has answered, so its fee of %s 0G is recorded all the same. Request id: %s.", r.booking.Fee.Og(), r.id)
	return e
}
