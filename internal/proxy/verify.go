package proxy

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxVerifyBody     = 8 << 10
	verifyBodyTimeout = 10 * time.Second
)

// verification is the answer of POST /v1/verify. IsValid is what the network's own proxy tells too; it is null where
// nothing can be said.
type verification struct {
	ID        string           `json:"id"` // as asked for
	RequestID string           `json:"request_id"`
	IsValid   *bool            `json:"isValid"`
	Verdict   zg.Verdict       `json:"verdict,omitempty"`
	Code      string           `json:"code,omitempty"`
	Message   string           `json:"message"`
	Provider  string           `json:"provider"`
	Signer    string           `json:"signer,omitempty"`
	Receipt   zg.AnswerReceipt `json:"receipt"`
}

// verify tells what the signature of an earlier answer showed. It waits for nothing: a verdict that is on its way is
// pending, and the caller may ask again.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	id, err := askedID(w, r)
	if err != nil {
		s.refuse(w, asAPIError(err))
		return
	}
	var rec zg.AnswerReceipt
	found := false
	if zg.ValidChatID(id) { // what is none is nobody's id
		if rec, found, err = s.cfg.Receipt(r.Context(), id); err != nil {
			s.cfg.Log.Error().Err(err).Msg("a receipt could not be read")
			e := problem("receipt_unreadable", "The record of this answer could not be read. The log names the cause.")
			e.RetryAfter = time.Second
			s.refuse(w, e)
			return
		}
	}
	if !found {
		e := problem("unknown_answer", "No answer with this id has been recorded here. Send the id of the answer, or what its X-Request-Id or ZG-Res-Key header said.")
		e.Param = "id"
		s.refuse(w, e)
		return
	}
	j := zg.Judgement{Verdict: rec.Verdict, Code: rec.VerdictCode}
	out := verification{
		ID: id, RequestID: rec.ID, IsValid: valid(j), Verdict: j.Verdict, Code: j.Code, Message: j.Sentence(rec.Centralized),
		Provider: rec.Provider, Signer: rec.Signer, Receipt: rec,
	}
	if j.Verdict == "" {
		out.Message = "this answer was not checked"
	}
	if j.Verdict == zg.VerdictPending {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, out)
}

// askedID reads which answer is meant. The network's own proxy takes it as id or chatID.
func askedID(w http.ResponseWriter, r *http.Request) (string, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(verifyBodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return "", err
	}
	body, err := io.ReadAll(http.MaxBytesReader(guard.Bare(w), r.Body, maxVerifyBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return "", problem("request_too_large", `The request body is too large. Send {"id": "…"}.`)
	}
	if err != nil {
		return "", errBody(err)
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return "", err
	}
	var asked struct {
		ID        string `json:"id"`
		ChatID    string `json:"chatID"`
		Chat      string `json:"chat_id"`
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(body, &asked) != nil {
		return "", problem("invalid_request", `The request body is not a JSON object of strings. Send {"id": "…"}.`)
	}
	for _, id := range []string{asked.ID, asked.ChatID, asked.Chat, asked.RequestID} {
		if id != "" {
			return id, nil
		}
	}
	e := problem("missing_id", `Say which answer is meant: {"id": "…"}, with the id of the answer, or what its X-Request-Id or ZG-Res-Key header said.`)
	e.Param = "id"
	return "", e
}

// valid is a verdict as yes, no, or null where neither was shown.
func valid(j zg.Judgement) *bool {
	yes := j.Passes()
	if yes || j.Verdict == zg.VerdictInvalid || j.Verdict == zg.VerdictReplayed || j.Code == zg.CodeSignerChanged {
		return &yes
	}
	return nil
}
