package proxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// evil is what no signer has ever seen.
const evil = "evil"

var (
	picture, picture2 = base64.StdEncoding.EncodeToString([]byte("a picture")), base64.StdEncoding.EncodeToString([]byte("another one"))
	evilPicture       = base64.StdEncoding.EncodeToString([]byte(evil))
)

// signedKind is one kind of answer, as its signer makes and signs it.
type signedKind struct {
	name, path, ask, contentType, body string
	upload                             bool
	images                             []string // are signed one by one instead of the body
}

func signedKinds() []signedKind {
	chat := `{"id":"c1","object":"chat.completion","model":"m","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant",` +
		`"content":"hi","reasoning_content":"so","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}],` +
		`"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}],"audio":{"data":"YQ==","transcript":"a"}},` +
		`"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5}}`
	message := `{"id":"m1","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"so","signature":"x"},` +
		`{"type":"text","text":"hi","citations":[{"cited_text":"c"}]},{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}],` +
		`"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":5}}`
	return []signedKind{
		{name: "chat", path: "/v1/chat/completions", ask: `{"model":"chat-1"}`, body: chat},
		{
			name: "chat, a stream", path: "/v1/chat/completions", ask: `{"model":"chat-1","stream":true,"stream_options":{"include_usage":true}}`,
			contentType: "text/event-stream", body: verdictStream,
		},
		{name: "messages", path: "/v1/messages", ask: `{"model":"chat-1","max_tokens":9}`, body: message},
		{
			name: "embeddings", path: "/v1/embeddings", ask: `{"model":"embed-1","input":"x"}`,
			body: `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":3}}`,
		},
		{
			name: "decisions", path: "/v1/decisions", ask: `{"model":"decide-1","input":"x"}`,
			body: `{"decision":"allow","reason":"fine","scores":{"a":1},"usage":{"prompt_tokens":3}}`,
		},
		{name: "a transcript", path: "/v1/audio/transcriptions", upload: true, body: `{"text":"words","usage":{"type":"duration","seconds":2}}`},
		{
			name: "a transcript, verbose", path: "/v1/audio/transcriptions", upload: true,
			body: `{"text":"words","language":"en","duration":2.0,"segments":[{"id":0,"text":"words","tokens":[1]}],"words":[{"word":"words","start":0}]}`,
		},
		{
			name: "pictures", path: "/v1/images/generations", ask: `{"model":"paint-1","n":2}`, images: []string{picture, picture2},
			body: `{"created":1,"data":[{"b64_json":"` + picture + `"},{"b64_json":"` + picture2 + `"}],"usage":{"total_tokens":3,"details":{"a":1}}}`,
		},
		{
			name: "an edited picture", path: "/v1/images/edits", ask: `{"model":"edit-1","image":"YQ=="}`, images: []string{picture},
			body: `{"created":1,"data":[{"b64_json":"` + picture + `","url":null,"revised_prompt":""}]}`,
		},
	}
}

// forgeries are all the ways to say something besides what was signed, at every place of a body.
func (k signedKind) forgeries(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	if k.contentType != "" {
		events := strings.SplitAfter(k.body, "\n\n")
		events = events[:len(events)-1]
		forged := []string{
			"data: {\"choices\":[{\"delta\":{\"content\":\"evil\"},\"finish_reason\":null}]}\n\n", "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"evil\"}}]}\n\n",
			"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"evil\"}}]}\n\n", "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n",
			"data: {\"Choices\":[{\"Delta\":{\"Content\":\"evil\"}}]}\n\n", ": evil\n\n", "event: evil\ndata: {}\n\n", "evil\n\n", "data: [DONE]\n\n", "\n",
			"data: {\"a\":\"\u2028data: [DONE]\u2028\"}\n\n", ": x\rdata: {\"choices\":[{\"finish_reason\":\"stop\"}]}\r\r\n\n",
			"data: {\"choices\":[{\"delta\":{},\"FINISH_REASON\":\"stop\"}]}\n\n", "data: {\"choices\":[{\"finish_rea\u017fon\":\"stop\"}]}\n\n",
			"data: {\"choices\":[{\"finish_reason\":\"stop\",\"finish_reason\":null}]}\n\n",
			"data: {\"x\":1}\ndata: evil\n\n", "data: {}\u2028data: {\"choices\":[{\"delta\":{\"content\":\"evil\"}}]}\n\n",
		}
		for i := range len(events) + 1 {
			for j, e := range forged {
				out[fmt.Sprintf("event %d before %d", j, i)] = strings.Join(slices.Insert(slices.Clone(events), i, e), "")
			}
		}
		for i := range events {
			out[fmt.Sprintf("without event %d", i)] = strings.Join(slices.Delete(slices.Clone(events), i, i+1), "")
			out[fmt.Sprintf("event %d changed", i)] = strings.Join(slices.Replace(slices.Clone(events), i, i+1, strings.Replace(events[i], "data:", "data: ", 1)), "")
		}
		return out
	}
	out["behind it: a document"], out["behind it: words"], out["behind it: a picture"] = k.body+k.body, k.body+"\nevil", k.body+`{"data":[{"url":"evil"}]}`
	out["before it"], out["before it: a mark"], out["cut"] = `"evil"`+k.body, "\ufeff"+k.body, k.body[:len(k.body)-1]
	names := []string{"evil", "url", "revised_prompt", "text", "error", "Data", "DATA", "d\\u0061ta", "data", "b64_json", "B64_JSON"}
	texts := []string{`"evil"`, `["evil"]`, `{"evil":"evil"}`, `[{"url":"evil"}]`, `[{"b64_json":"` + evilPicture + `"}]`}
	if k.images == nil { // all of it is signed as it is, so that one change is as good as another
		names, texts = []string{"evil", "content", "Choices"}, texts[:1]
	}
	for _, name := range names {
		for _, value := range texts {
			for i := range k.body { // into every object, at its beginning and at its end
				switch {
				case k.body[i] == '{' && k.body[i+1] != '}':
					out[fmt.Sprintf("%s:%s at %d", name, value, i)] = k.body[:i+1] + `"` + name + `":` + value + `,` + k.body[i+1:]
				case k.body[i] == '}' && k.body[i-1] != '{':
					out[fmt.Sprintf("%s:%s at %d", name, value, i)] = k.body[:i] + `,"` + name + `":` + value + k.body[i:]
				}
			}
		}
	}
	for i := range k.body { // another value for every text, and one more element in every list
		switch {
		case k.body[i] == '"' && k.body[i-1] == ':':
			out[fmt.Sprintf("text at %d", i)] = k.body[:i+1] + evilPicture + k.body[i+1:]
		case k.body[i] == '[':
			for _, e := range []string{`"evil"`, `{"url":"evil"}`, `{"b64_json":"` + evilPicture + `"}`, `["evil"]`} {
				out[fmt.Sprintf("element %s at %d", e, i)] = k.body[:i+1] + e + `,` + k.body[i+1:]
			}
		}
	}
	return out
}

func signerKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{0x11}, 32))
	must(t, err)
	return key
}

// sign is what the signer of a kind says about its true body.
func (k signedKind) sign(t *testing.T, request [32]byte) zg.Signature {
	t.Helper()
	text := hex.EncodeToString(request[:]) + ":"
	for i, image := range k.images {
		raw, err := base64.StdEncoding.DecodeString(image)
		must(t, err)
		d := sha256.Sum256(raw)
		text += map[bool]string{true: ","}[i > 0] + hex.EncodeToString(d[:])
	}
	if k.images == nil {
		d := sha256.Sum256([]byte(k.body))
		text += hex.EncodeToString(d[:])
	}
	sig, err := crypto.Sign(crypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text)), signerKey(t))
	must(t, err)
	sig[64] += 27
	return zg.Signature{Text: zg.PeerText(text), Signature: zg.PeerText("0x" + hex.EncodeToString(sig))}
}

// judge checks an answer as the daemon does.
func (k signedKind) judge(t *testing.T, a *Answered) zg.Judgement {
	t.Helper()
	return attest.Check(attest.Exchange{
		RequestID: a.RequestID, Type: a.Offer.Service.Type, ResKey: "k", Signer: crypto.PubkeyToAddress(signerKey(t).PublicKey), Signed: true,
		Stream: a.Stream, Request: a.Request, Response: a.Response, RequestSHA256: a.RequestSHA256, ResponseSHA256: a.ResponseSHA256,
		Images: a.Images, Extras: a.Extras, Removed: a.Removed, Complete: a.Complete,
	}, k.sign(t, a.RequestSHA256))
}

// signedRig serves one body after the other, and judges each as the kind's own signer would have it.
type signedRig struct {
	*rig
	kind    signedKind
	body    string
	header  http.Header
	verdict zg.Judgement
}

func newSignedRig(t *testing.T, enforce bool) *signedRig {
	t.Helper()
	r := &signedRig{}
	r.rig = newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.kind.contentType != "" {
			w.Header().Set("Content-Type", r.kind.contentType)
		}
		maps.Copy(w.Header(), r.header)
		_, _ = io.WriteString(w, r.body)
	}, func(cfg *Config) {
		cfg.Enforce, cfg.HoldBytes = enforce, 1<<20
		cfg.Judge = func(_ context.Context, a *Answered) zg.Judgement {
			r.verdict = r.kind.judge(t, a)
			return r.verdict
		}
		cfg.Answered = func(a *Answered) { r.verdict = r.kind.judge(t, a) }
	})
	services := []zg.Service{}
	allowed := []common.Address{}
	for i, s := range []struct {
		kind  zg.ServiceType
		model string
	}{
		{zg.Chatbot, "chat-1"},
		{zg.Embedding, "embed-1"},
		{zg.Decisions, "decide-1"},
		{zg.SpeechToText, "hear-1"},
		{zg.TextToImage, "paint-1"},
		{zg.ImageEditing, "edit-1"},
	} {
		p := common.BytesToAddress([]byte{byte(i + 1)})
		services, allowed = append(services, at(r.upstream, service(p, s.kind, s.model, 3, 4))), append(allowed, p)
	}
	r.server.SetRoutes(route.Build(&zg.Directory{Services: services}, nil, route.Options{Allowed: allowed}))
	return r
}

func (r *signedRig) get(t *testing.T, k signedKind, body string) (resp *http.Response, text string, err error) {
	t.Helper()
	r.kind, r.body, r.verdict = k, body, zg.Judgement{}
	r.forget()
	if !k.upload {
		return r.askedAt(k.path, k.ask)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	must(t, w.WriteField("model", "hear-1"))
	must(t, w.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+k.path, &form)
	must(t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err = r.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// Whatever is changed or added anywhere in an answer, under enforce nobody gets it: of documents nothing but the
// pictures that were signed, and of streams no end.
func TestNothingUnsignedPasses(t *testing.T) {
	r := newSignedRig(t, true)
	tried := 0
	for _, k := range signedKinds() {
		if resp, text, err := r.get(t, k, k.body); err != nil || resp.StatusCode != http.StatusOK || text != k.body || resp.Header.Get(verdictHeader) == "" {
			t.Fatalf("%s as it was signed: %d %q, %v", k.name, resp.StatusCode, text, err)
		}
		forgeries := k.forgeries(t)
		for _, name := range slices.Sorted(maps.Keys(forgeries)) {
			tried++
			resp, text, err := r.get(t, k, forgeries[name])
			switch {
			case k.contentType != "":
				if err == nil || strings.Contains(text, "[DONE]") || strings.Contains(text, `"stop"`) {
					t.Errorf("%s, %s: the stream has an end: %q", k.name, name, text)
				}
			case resp.StatusCode != http.StatusOK:
			case k.images == nil:
				t.Errorf("%s, %s: passed: %q", k.name, name, text)
			default:
				shows(t, k, name, text)
				if code := resp.Header.Get(verdictCode); text != forgeries[name] && code != zg.CodeUnsignedRemoved {
					t.Errorf("%s, %s: something was taken out, and the code is %q", k.name, name, code)
				}
			}
		}
	}
	t.Logf("%d forgeries", tried)
	if tried < 700 {
		t.Errorf("only %d were tried", tried)
	}
}

// shows wants an answer to show the signed pictures and nothing else, whichever way it is read.
func shows(t *testing.T, k signedKind, name, text string) {
	t.Helper()
	var exact struct{ Data []map[string]any }
	var loose struct {
		Data []struct {
			B64JSON       string `json:"b64_json"`
			URL           string `json:"url"`
			RevisedPrompt string `json:"revised_prompt"`
		}
	}
	if json.Unmarshal([]byte(text), &exact) != nil || json.Unmarshal([]byte(text), &loose) != nil {
		t.Errorf("%s, %s: %q is no document", k.name, name, text)
		return
	}
	for i, d := range loose.Data {
		if i >= len(k.images) || d.B64JSON != k.images[i] || d.URL+d.RevisedPrompt != "" || exact.Data[i]["b64_json"] != k.images[i] {
			t.Errorf("%s, %s: shows %+v", k.name, name, d)
		}
	}
	if strings.Contains(text, evil) || strings.Contains(text, evilPicture) || len(loose.Data) != len(k.images) {
		t.Errorf("%s, %s: %q", k.name, name, text)
	}
}

// Where nothing is withheld the verdict says that not all of it was signed.
func TestUnsignedPartsAreToldOf(t *testing.T) {
	r := newSignedRig(t, false)
	for _, k := range signedKinds() {
		forgeries := k.forgeries(t)
		forgeries["true"] = k.body
		for _, name := range slices.Sorted(maps.Keys(forgeries)) {
			if k.images == nil && len(name)%7 != 0 && name != "true" { // any change of these is found in the same way
				continue
			}
			if resp, text, err := r.get(t, k, forgeries[name]); err == nil && resp.StatusCode == http.StatusOK && text != forgeries[name] {
				t.Errorf("%s, %s: %q was changed", k.name, name, text)
			}
			if r.verdict.Passes() != (name == "true") {
				t.Errorf("%s, %s: %s %s", k.name, name, r.verdict.Verdict, r.verdict.Code)
			}
		}
	}
}

// The header of an answer is signed by nobody: it may not have the bytes read as something else.
func TestHeadersDoNotChangeWhatWasSigned(t *testing.T) {
	r := newSignedRig(t, true)
	k := signedKinds()[0]
	for _, set := range []string{"utf-16", "utf-7", "iso-2022-jp"} {
		r.header = http.Header{"Content-Type": {"application/json; charset=" + set}}
		if resp, text, _ := r.get(t, k, k.body); text != k.body || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %q %q", set, resp.Header.Get("Content-Type"), text)
		}
	}
	r.header = http.Header{"Content-Type": {"application/json; charset=UTF-8"}}
	if resp, _, _ := r.get(t, k, k.body); resp.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
		t.Errorf("the type is %q", resp.Header.Get("Content-Type"))
	}
	for _, coding := range []string{"br", "deflate", "gzip, br", "zstd"} {
		r.header = http.Header{"Content-Encoding": {coding}}
		if resp, text, _ := r.get(t, k, k.body); resp.StatusCode == http.StatusOK || strings.Contains(text, `"hi"`) {
			t.Errorf("%s: %d %q", coding, resp.StatusCode, text)
		}
	}
}
