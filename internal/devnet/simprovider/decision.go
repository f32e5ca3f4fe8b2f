package simprovider

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/zg"
)

type decision struct {
	Index    int             `json:"index"`
	Question json.RawMessage `json:"question,omitempty"`
	Answer   bool            `json:"answer"`
}

// decide answers every question with yes, or the one that the request itself is.
func (x *exchange) decide() error {
	var req struct {
		Model     string            `json:"model"`
		Questions []json.RawMessage `json:"questions"`
	}
	body, err := x.readJSON(&req)
	if err != nil {
		return err
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
		return x.closing()
	}
	answers := []decision{}
	for i, q := range req.Questions {
		answers = append(answers, decision{i, q, true})
	}
	if len(answers) == 0 {
		answers = append(answers, decision{Answer: true})
	}
	reply := map[string]any{"id": "decision-" + x.key, "object": "decision", "created": x.created(), "model": req.Model, "answers": answers}
	billed := zg.Usage{Seen: true, InputTokens: countTokens(string(body)), OutputTokens: uint64(len(answers))}
	if x.fault.Kind == NoUsage {
		billed = zg.Usage{InputTokens: max(1, uint64(utf8.RuneCount(body))/3)}
	} else if told, raw := x.lie(billed); raw != nil {
		reply["usage"] = raw
	} else {
		reply["usage"] = map[string]uint64{"input_tokens": told.InputTokens, "output_tokens": told.OutputTokens}
	}
	x.answer(x.record.RequestSHA256, "application/json", encodePlain(reply), billed)
	return nil
}
