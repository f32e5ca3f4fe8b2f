package proxy

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// recording is a form with a sound file of so many bytes.
func recording(t *testing.T, bytesOfSound int) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	must(t, form.WriteField("model", "hear-1"))
	w, err := form.CreateFormFile("file", "talk.mp3")
	must(t, err)
	_, err = w.Write(make([]byte, bytesOfSound))
	must(t, err)
	must(t, form.Close())
	return form.FormDataContentType(), b.Bytes()
}

// hearing is a rig with one provider of speech, which reads an upload whole before it answers, and tells what it had.
func hearing(t *testing.T, meter billing.MeterConfig) (*rig, chan error) {
	t.Helper()
	had := make(chan error, 16)
	r := meteredRig(t, meter, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		had <- err
		if err == nil {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"text":"a","usage":{"type":"duration","seconds":2}}`)
		}
	}, nil)
	return r, had
}

// hangUpload begins an upload, sends the first bytes of it, and leaves when the provider has seen some.
func (r *rig) hangUpload(t *testing.T, header string, body []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	must(t, err)
	_, err = fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n%s", header, body)
	must(t, err)
	r.until(t, func() bool { return r.store.Book().Provider(multi).Open == 1 })
	must(t, conn.Close())
}

// until waits for a state.
func (r *rig) until(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !is(); {
		select {
		case <-deadline:
			t.Fatalf("it does not come to that: %+v", r.store.Book().Provider(multi))
		case <-tick.C:
		}
	}
}

// Whoever leaves in the middle of an upload has not had the provider get the whole of it, so it is not billed; several
// of them leave the budget as it was.
func TestUploadBrokenOffIsFree(t *testing.T) {
	r, had := hearing(t, billing.MeterConfig{})
	kind, body := recording(t, 100_000)
	for i, header := range []string{
		fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d", kind, len(body)),
		fmt.Sprintf("Content-Type: %s\r\nTransfer-Encoding: chunked", kind),
	} {
		part := body[:50_000]
		if i == 1 {
			part = append(fmt.Appendf(nil, "%x\r\n", len(part)), part...)
		}
		r.hangUpload(t, header, part)
		if err := <-had; err == nil {
			t.Error("the provider had the whole of it")
		}
		r.until(t, func() bool { return r.store.Book().Provider(multi).Requests == uint64(i+1) })
		if sum := r.store.Book().Provider(multi); !sum.Fees.IsZero() || !sum.Held.IsZero() || sum.Open != 0 {
			t.Errorf("%s: the book has %+v, want nothing spent nor held", header, sum)
		}
	}
}

// An upload without a length is reserved for by what arrives, and no provider gets what the budget has no room for.
func TestUploadWithoutALength(t *testing.T) {
	var bound zg.Neuron
	for _, tc := range []struct {
		name         string
		sound        int
		budget       zg.Neuron
		status, most int
	}{
		{"small", 2_000, zg.MaxNeuron, 200, 4 << 10},
		{"large", 600_000, zg.MaxNeuron, 200, 700_000},
		{"large, no room", 600_000, zg.NeuronOf(5_000), 402, 0},
	} {
		r, had := hearing(t, billing.MeterConfig{Budgets: billing.Budgets{Fees: billing.Budget{Total: billing.CapOf(tc.budget)}}})
		kind, body := recording(t, tc.sound)
		resp, text := r.do(http.MethodPost, "/v1/audio/transcriptions", kind, struct{ io.Reader }{bytes.NewReader(body)})
		if resp.StatusCode != tc.status {
			t.Fatalf("%s: %d %s", tc.name, resp.StatusCode, text)
		}
		whole := <-had
		rec := r.record(resp)
		if tc.status != 200 {
			if whole == nil || rec.Fee == nil || !rec.Fee.IsZero() || !strings.Contains(text, "budget_fees_total") || tc.budget.Less(rec.Bound) {
				t.Errorf("%s: %s, the provider's error %v, record %+v", tc.name, text, whole, rec)
			}
			continue
		}
		most := billing.Bound(zg.SpeechToText, zg.Price{Input: rec.PriceIn, Output: rec.PriceOut}, billing.BoundInput{BodyBytes: int64(tc.most), AudioBytes: int64(tc.most)})
		least := billing.Bound(zg.SpeechToText, zg.Price{Input: rec.PriceIn, Output: rec.PriceOut}, billing.BoundInput{BodyBytes: int64(tc.sound), AudioBytes: int64(tc.sound)})
		if most.Less(rec.Bound) || rec.Bound.Less(least) || rec.Bound == bound || rec.Basis != zg.FeeExact {
			t.Errorf("%s: %s %s was set aside, want %s to %s", tc.name, rec.Bound, rec.Basis, least, most)
		}
		bound = rec.Bound
		if sum := r.store.Book().Provider(multi); !sum.Held.IsZero() || sum.Open != 0 {
			t.Errorf("%s: %+v is still held", tc.name, sum)
		}
	}
}
