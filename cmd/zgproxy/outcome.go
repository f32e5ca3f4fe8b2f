package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// requestOutcome is what became of a request: what it cost, who answered, and what that was shown to be.
type requestOutcome struct {
	RequestID string     `json:"request_id"`
	Provider  string     `json:"provider,omitempty"`
	Model     string     `json:"model,omitempty"` // the provider's own name for it
	Fee       *amount    `json:"fee"`             // null: not known here
	Basis     string     `json:"fee_basis,omitempty"`
	Input     uint64     `json:"input_tokens"`
	Output    uint64     `json:"output_tokens"`
	Verdict   zg.Verdict `json:"verdict,omitempty"` // empty: not known
	Code      string     `json:"verdict_code,omitempty"`
	Millis    int64      `json:"took_ms"`
	// Moved is what this command has moved besides the fee; null where the daemon is another process.
	Moved *movedReport `json:"moved"`
}

// verdictPatience is how long a verdict is waited for after the answer. One is there within seconds, if only that there is no
// signature.
const verdictPatience = 20 * time.Second

// outcomeSaid is what an answer's header and trailer say.
func outcomeSaid(resp *http.Response, began time.Time) requestOutcome {
	o := requestOutcome{
		RequestID: oneLine(resp.Header.Get("X-Request-Id")), Provider: oneLine(resp.Header.Get("X-Zgproxy-Provider")), Millis: time.Since(began).Milliseconds(),
	}
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		if fee, err := zg.ParseNeuron(h.Get("X-Zgproxy-Fee-Neuron")); err == nil {
			m := money(fee)
			o.Fee, o.Basis = &m, oneLine(h.Get("X-Zgproxy-Fee-Basis"))
		}
		if v := h.Get("X-Zgproxy-Verdict"); v != "" {
			o.Verdict, o.Code = zg.Verdict(oneLine(v)), oneLine(h.Get("X-Zgproxy-Verdict-Code"))
		}
	}
	return o
}

// outcomeOf is that, and what the daemon has recorded of it, as soon as there is a verdict.
func (n *connection) outcomeOf(ctx context.Context, resp *http.Response, began time.Time) requestOutcome {
	o := outcomeSaid(resp, began)
	if n.records == nil {
		return o
	}
	ctx, cancel := context.WithTimeout(ctx, verdictPatience)
	defer cancel()
	for {
		if n.recorded(ctx, &o) && o.Verdict != "" && o.Verdict != zg.VerdictPending {
			return o
		}
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return o
		case <-timer.C:
		}
	}
}

// recorded adds what the daemon has recorded of a request, and reports whether that is complete but for the verdict.
func (n *connection) recorded(ctx context.Context, o *requestOutcome) bool {
	if n.records == nil || o.RequestID == "" {
		return false
	}
	var rec struct {
		State   string     `json:"state"`
		Model   string     `json:"model"`
		Fee     zg.Neuron  `json:"fee_neuron"`
		Basis   string     `json:"basis"`
		Input   uint64     `json:"input_tokens"`
		Output  uint64     `json:"output_tokens"`
		Verdict zg.Verdict `json:"verdict"`
		Code    string     `json:"verdict_code"`
	}
	if err := n.records.Request(ctx, o.RequestID, &rec); err != nil || rec.State == "open" {
		return false
	}
	fee := money(rec.Fee)
	o.Fee, o.Basis, o.Model, o.Input, o.Output = &fee, rec.Basis, oneLine(rec.Model), rec.Input, rec.Output
	o.Verdict, o.Code = rec.Verdict, rec.Code
	return true
}

// inWords is what became of it, in a line.
func (o *requestOutcome) inWords(c console) styled {
	var parts []string
	if o.Fee != nil {
		fee := o.Fee.Og + " 0G"
		if o.Basis != "" && o.Basis != "exact" {
			fee += " (" + o.Basis + ")"
		}
		parts = append(parts, fee)
	}
	if o.Input+o.Output > 0 {
		parts = append(parts, fmt.Sprintf("%d in, %d out", o.Input, o.Output))
	}
	parts = append(parts, fmt.Sprintf("%.1f s", float64(o.Millis)/1000))
	if o.Provider != "" {
		parts = append(parts, "by "+o.Provider)
	}
	line := c.paint(styleDim, strings.Join(parts, ", "))
	switch o.Verdict {
	case "":
	case zg.VerdictVerified, zg.VerdictResponse:
		line += ", " + c.paint(styleGood, string(o.Verdict))
	case zg.VerdictInvalid:
		line += ", " + c.paint(styleBad, "INVALID")
	default:
		line += ", " + c.paint(styleWarn, strings.ReplaceAll(string(o.Verdict), "_", " "))
	}
	if o.Code != "" {
		line += sprintf(" (%s)", strings.ReplaceAll(o.Code, "_", " "))
	}
	return line
}

// tell prints that, and what was moved besides.
func (o *requestOutcome) tell(c console) {
	c.printf("%s\n", o.inWords(c))
	if moved := o.Moved.inWords(); moved != "" {
		c.printf("%s\n", moved)
	}
}
