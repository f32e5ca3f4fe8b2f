package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// surface is one sort of answer, named by a letter.
type surface struct {
	name     string
	provider string
	path     string
	stream   bool
	body     func(n int) (contentType string, body []byte)
}

// surfaces are the sorts of answers that are tampered with. The providers with models from cloud on are those of the tests.
var surfaces = map[rune]surface{
	'D': chatSurface("chat document", "echo-1", false),
	'S': chatSurface("chat stream", "echo-1", true),
	'd': chatSurface("late chat document", "slow", false),
	's': chatSurface("late chat stream", "slow", true),
	'C': chatSurface("document of a cloud", "cloud", false),
	'c': chatSurface("stream of a cloud", "cloud", true),
	'E': chatSurface("document of an enclave", "enclave", false),
	'e': chatSurface("stream of an enclave", "enclave", true),
	'M': chatSurface("document of a named enclave", "ns:named", false),
	'R': chatSurface("document for a re-serialised request", "reencoding", false),
	'I': {name: "image", provider: "picture-1", path: "/v1/images/generations", body: func(n int) (string, []byte) {
		return "application/json", fmt.Appendf(nil, `{"model":"picture-1","n":2,"prompt":"otter %d"}`, n)
	}},
	'U': {name: "image by address", provider: "picture-1", path: "/v1/images/generations", body: func(n int) (string, []byte) {
		return "application/json", fmt.Appendf(nil, `{"model":"picture-1","prompt":"otter %d","response_format":"url"}`, n)
	}},
	'T': speechSurface("transcription", "json"),
	'X': speechSurface("plain transcription", "text"),
	'L': speechSurface("transcription stream", "stream"),
}

// chatSurface asks in the form that providers make of a request, so that those who re-serialise it change nothing.
func chatSurface(name, model string, stream bool) surface {
	options := ""
	if stream {
		options = `,"stream":true,"stream_options":{"include_usage":true}`
	}
	text := strings.Repeat("Über allen Gipfeln 🌄 ist Ruh. ", 40)
	return surface{name: name, provider: model, path: "/v1/chat/completions", stream: stream, body: func(n int) (string, []byte) {
		return "application/json", fmt.Appendf(nil, `{"messages":[{"content":"%d %s","role":"user"}],"model":%q%s}`, n, text, model, options)
	}}
}

func speechSurface(name, format string) surface {
	return surface{name: name, provider: "speech-1", path: "/v1/audio/transcriptions", stream: format == "stream", body: func(n int) (string, []byte) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		err := form.WriteField("model", "speech-1")
		if format == "stream" {
			err = errors.Join(err, form.WriteField("stream", "true"))
		} else {
			err = errors.Join(err, form.WriteField("response_format", format))
		}
		part, partErr := form.CreateFormFile("file", "a.wav")
		if partErr == nil {
			_, partErr = fmt.Fprintf(part, "%0500d", n)
		}
		if err = errors.Join(err, partErr, form.Close()); err != nil {
			panic(err) // a buffer takes everything
		}
		return form.FormDataContentType(), body.Bytes()
	}}
}

// shown is what the record says in the end.
type shown struct {
	Verdict zg.Verdict `json:"verdict"`
	Code    string     `json:"verdict_code"`
}

// passes reports whether an answer that showed this is handed out where that is enforced.
func (s shown) passes() bool {
	return (s.Verdict == zg.VerdictVerified || s.Verdict == zg.VerdictResponse) && s.Code != "signer_changed"
}

// tampering is one way of tampering, tried on several sorts of answers.
type tampering struct {
	name string
	on   string // the letters of the surfaces
	with simprovider.Alteration
	kind simprovider.FaultKind // instead of an alteration
	wait time.Duration         // of SignatureLate
	is   shown
	but  map[rune]shown // where it shows something else
	// slow says that the verdict takes seconds: others are tried meanwhile.
	slow bool
	// broken says that the answer never reaches its end, so that there is nothing to judge.
	broken bool
	// ended says that the answer is ended by an error in it: it is judged as one without its end, and broken off for the caller.
	ended bool
	// halved says that it is a part of a document, of which the caller of a proxy that does not withhold is told too.
	halved bool
	// kept says that an answer is given and kept before; again that it was one to the same request.
	kept, again bool
}

// tamperer is a network with a daemon, and what was sent to it.
type tamperer struct {
	*world
	enforce   bool
	providers map[string]*simprovider.Provider // by model
	mu        sync.Mutex
	n         int // requests, which differ in this number
	suspended int // times a provider had to be accepted again
}

// attempt is one tampered exchange.
type attempt struct {
	tampering
	surface
	letter rune
	sent   []byte
	number int
	done   chan struct{}
	answer answer // once done is closed
}

// answer is what a caller got.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // instead of the end
}

// accept makes the daemon use a provider again that it has suspended.
func (x *tamperer) accept(p *simprovider.Provider) {
	if err := x.world.accept(p.Address()); err != nil && !errors.Is(err, errNotLookedAt) && !strings.Contains(err.Error(), billing.ErrOtherSuspension.Error()) {
		x.Errorf("accept: %v", err)
	}
}

func TestTamperingIsSeen(t *testing.T)     { tryTampering(t, false) }
func TestTamperingIsWithheld(t *testing.T) { tryTampering(t, true) }

func tryTampering(t *testing.T, enforce bool) {
	t.Helper()
	t.Parallel()
	x := newTamperer(t, enforce)
	var all, late []*attempt
	n := 0
	names := map[string]bool{}
	for _, c := range slices.Concat(bytesAltered(), signaturesAltered(), textsAltered(), keysAltered(), signaturesServed(), others()) {
		for _, letter := range c.on {
			if n++; raced && n%10 != 0 {
				continue // what is shown does not depend on it, and there is nothing new in the others
			}
			if enforce && (letter == 'X' || letter == 'U') {
				continue // nothing in these forms is ever signed, so they are refused before anything is sent
			}
			a := &attempt{tampering: c, surface: surfaces[letter], letter: letter, done: make(chan struct{})}
			name := a.tampering.name + "/" + a.surface.name
			if names[name] {
				t.Errorf("there are two of %s", name)
			}
			names[name] = true
			if all = append(all, a); c.slow {
				late = append(late, a)
			}
		}
	}
	t.Logf("%d exchanges", len(all))
	if len(all) < 200 && !raced {
		t.Errorf("%d exchanges, want 200 at least", len(all))
	}
	for _, a := range late {
		x.send(a)
	}
	for _, a := range all {
		if !a.slow {
			t.Run(a.tampering.name+"/"+a.surface.name, func(t *testing.T) { x.send(a); x.check(t, a) })
		}
	}
	for _, a := range late {
		t.Run(a.tampering.name+"/"+a.surface.name, func(t *testing.T) { x.check(t, a) })
	}
}

func newTamperer(t *testing.T, enforce bool) *tamperer {
	t.Helper()
	x := &tamperer{world: newWorld(t, devnet.Config{}), enforce: enforce, providers: map[string]*simprovider.Provider{}}
	target := devnet.TEEKey("model")
	separate := func(cfg *simprovider.Config) { cfg.TargetKey = target }
	info := fmt.Sprintf(`{"TargetSeparated":true,"TargetTeeAddress":%q}`, crypto.PubkeyToAddress(target.PublicKey).Hex())
	x.add("slow", "", nil)
	x.add("cloud", `{"ProviderType":"centralized","TargetSeparated":true}`, func(cfg *simprovider.Config) {
		cfg.Centralized = &simprovider.Centralized{Identity: "openai", TLSFingerprint: strings.Repeat("ab", 32)}
	})
	x.add("enclave", info, separate)
	x.add("ns:named", info, func(cfg *simprovider.Config) { cfg.TargetKey, cfg.TargetModelID = target, true })
	x.add("reencoding", "", func(cfg *simprovider.Config) { cfg.ReencodeRequests = true })
	var allowed []string // one for each model, so that nobody answers in the place of one that is suspended
	for _, p := range x.net.Providers {
		if x.providers[p.Model()] == nil {
			x.providers[p.Model()] = p
			allowed = append(allowed, p.Address().Hex())
		}
	}
	x.env = append(x.net.Env(), "ZGPROXY_LOG_LEVEL=error", "ZGPROXY_PROVIDERS="+strings.Join(allowed, ","))
	if enforce {
		x.env = append(x.env, "ZGPROXY_VERIFY=enforce")
	}
	x.inProcess()
	return x
}

// add makes the network larger by one provider of a chat.
func (x *tamperer) add(model, info string, change func(*simprovider.Config)) {
	x.Helper()
	cfg := simprovider.Config{
		Key: devnet.ProviderKey(model), TEEKey: devnet.TEEKey(model), Type: zg.Chatbot, Model: model, Chain: x.net.Chain,
		Price: zg.Price{Input: zg.OneOG.MulDiv(1, 10_000_000), Output: zg.OneOG.MulDiv(1, 10_000_000)},
	}
	if change != nil {
		change(&cfg)
	}
	p, err := simprovider.Start(cfg)
	if err != nil {
		x.Fatal(err)
	}
	x.net.Providers = append(x.net.Providers, p)
	err = x.net.Chain.RegisterService(x.Context(), cfg.Key, simchain.ServiceParams{
		ServiceType: string(zg.Chatbot), URL: p.URL(), Model: model, Verifiability: "TeeML", AdditionalInfo: info,
		InputPrice: cfg.Price.Input, OutputPrice: cfg.Price.Output, TEESigner: p.TEESigner(),
	})
	if err == nil {
		err = x.net.Chain.AcknowledgeSigner(x.Context(), p.Address())
	}
	if err == nil {
		err = x.net.Chain.Transfer(x.Context(), devnet.WalletKey(), p.Address(), zg.OneOG.Mul(3))
	}
	if err != nil {
		x.Fatal(err)
	}
}

// send makes a tampered exchange. It returns when the provider is done with it; a slow one may still be waited for.
func (x *tamperer) send(a *attempt) {
	x.Helper()
	p := x.providers[a.provider]
	number := func() int {
		x.n++
		return x.n
	}
	a.number = number()
	contentType, body := a.body(a.number)
	if a.kept {
		before := body
		if !a.again {
			_, before = a.body(number())
		}
		p.SetFault(simprovider.Fault{Kind: simprovider.AnswerKept, N: 1})
		got := x.post(p, a.path, contentType, before)
		if got.err != nil || got.status != http.StatusOK {
			x.Fatalf("before %s: %d %s, %v", a.tampering.name, got.status, got.body, got.err)
		}
		x.judged(x.T, got.header.Get("X-Request-Id")) // before the other one
	}
	a.sent = body
	fault := simprovider.Fault{Kind: simprovider.Altered, Alter: &a.with, N: 1}
	if a.kind != "" {
		fault = simprovider.Fault{Kind: a.kind, N: 1, Delay: a.wait}
	}
	_, before := p.ExchangesSince(0)
	p.SetFault(fault)
	go func() {
		defer close(a.done)
		a.answer = x.post(p, a.path, contentType, body)
	}()
	if !a.slow {
		<-a.done
	}
	ctx, cancel := context.WithTimeout(x.Context(), patience)
	defer cancel()
	if _, err := p.WaitExchanges(ctx, before+1); err != nil {
		x.Fatalf("%s did not reach the provider (%v): %d %.300s, %v\n%s", a.tampering.name, err, a.answer.status, a.answer.body, a.answer.err, x.daemon.log)
	}
}

// post asks until the provider is not suspended any more.
func (x *tamperer) post(p *simprovider.Provider, path, contentType string, body []byte) answer {
	for {
		got := x.postOnce(path, contentType, body)
		if got.status != http.StatusServiceUnavailable || !bytes.Contains(got.body, []byte("provider_suspended")) {
			return got
		}
		x.mu.Lock()
		x.suspended++
		x.mu.Unlock()
		x.accept(p)
	}
}

func (x *tamperer) postOnce(path, contentType string, body []byte) answer {
	req, err := http.NewRequestWithContext(x.Context(), http.MethodPost, x.daemon.api+path, bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := httpClient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it goes
	got := answer{status: resp.StatusCode, header: resp.Header}
	got.body, got.err = io.ReadAll(resp.Body)
	return got
}

// judged is what the store knows of an exchange.
type judged struct {
	shown
	State          string `json:"state"`
	RequestSHA256  string `json:"request_sha256"`
	ResponseSHA256 string `json:"response_sha256"`
}

// record waits until an exchange is recorded and judged.
func (x *tamperer) judged(t *testing.T, id string) (rec judged) {
	t.Helper()
	err := poll(2*time.Millisecond, patience, nil, func() error {
		code, body := x.get(x.daemon.admin + "/v1/requests/" + id)
		rec = judged{}
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		if err := json.Unmarshal([]byte(body), &rec); err != nil {
			return err
		}
		if rec.State == "open" || rec.Verdict == zg.VerdictPending {
			return fmt.Errorf("still %s and %s", rec.State, rec.Verdict)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("request %s: %v", id, err)
	}
	return rec
}

func (x *tamperer) check(t *testing.T, a *attempt) {
	t.Helper()
	<-a.done
	got := a.answer
	if got.header == nil {
		t.Fatalf("no answer at all: %v", got.err)
	}
	rec := x.judged(t, got.header.Get("X-Request-Id"))
	want, ok := a.but[a.letter]
	if !ok {
		want = a.is
	}
	if a.broken {
		want = shown{}
	}
	if x.enforce && want == notKept {
		want = otherAsked // uploads are read whole where verification is enforced
	}
	if rec.shown != want {
		t.Errorf("shown %s (%s), want %s (%s)", rec.Verdict, rec.Code, want.Verdict, want.Code)
	}
	// The digests are those of what the provider received and delivered, whatever it signed.
	exchanges := x.providers[a.provider].Exchanges()
	i := slices.IndexFunc(exchanges, func(e simprovider.Exchange) bool { return e.RequestSHA256 == rec.RequestSHA256 })
	if a.again { // the second of two that were asked for in the same words
		i += 1 + slices.IndexFunc(exchanges[i+1:], func(e simprovider.Exchange) bool { return e.RequestSHA256 == rec.RequestSHA256 })
	}
	if i < 0 {
		t.Fatalf("the provider has received nothing with digest %s", rec.RequestSHA256)
	}
	delivered := exchanges[i].ResponseSHA256
	if rec.ResponseSHA256 != delivered && !a.broken {
		t.Errorf("digest %s, the provider delivered %s", rec.ResponseSHA256, delivered)
	}
	if a.letter == 'U' { // URLs of ours stand in place of the provider's, whose signature was over those
		p := x.providers[a.provider]
		got.body = bytes.ReplaceAll(got.body, []byte(x.daemon.api+"/v1/images/"+p.Address().Hex()+"/"), []byte(p.URL()+"/v1/proxy/images/"))
	}
	zipped := a.kind == simprovider.Gzip
	switch intact := sumOfBytes(got.body) == delivered || zipped; {
	case a.broken, a.ended, a.halved && !x.enforce:
		if got.err == nil && got.status == http.StatusOK {
			t.Errorf("an answer without its end ended well: %.200q", got.body)
		}
	case !x.enforce || want.passes():
		if got.status != http.StatusOK || got.err != nil || !intact {
			t.Errorf("the caller got %d %.300q, %v; want what the provider delivered", got.status, got.body, got.err)
		}
	case a.stream:
		withheldStream(t, got)
	default:
		withheldDocument(t, got, want)
	}
}

// withheldDocument checks that a caller got an error instead of a document. It says what was found, or that it was not found out in
// time: for somebody who does not answer, and for anybody on a busy machine. What was found in the end is on record in any case.
func withheldDocument(t *testing.T, got answer, want shown) {
	t.Helper()
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(got.body, &e); err != nil || got.status != http.StatusBadGateway || e.Error.Code != "answer_not_verified" || e.Error.Message == "" {
		t.Errorf("the caller got %d %.300q, want 502 and answer_not_verified", got.status, got.body)
	}
	if v, c := got.header.Get("X-Zgproxy-Verdict"), got.header.Get("X-Zgproxy-Verdict-Code"); (v != string(want.Verdict) || c != want.Code) && (v != string(zg.VerdictUnavailable) || c != attest.CodeTimeout) {
		t.Errorf("headers say %s (%s), want %s (%s)", v, c, want.Verdict, want.Code)
	}
}

// withheldStream checks that a stream reported an error and did not end as a whole one does.
func withheldStream(t *testing.T, got answer) {
	t.Helper()
	if got.status == http.StatusBadGateway && got.err == nil && bytes.Contains(got.body, []byte("answer_not_verified")) {
		return // nothing of it had been sent
	}
	if got.err == nil {
		t.Errorf("the stream ended as if it were whole: %.300q", got.body)
	}
	if !bytes.Contains(got.body, []byte(`{"error":`)) || !bytes.Contains(got.body, []byte("answer_not_verified")) {
		t.Errorf("no error in the stream: %q", got.body[max(0, len(got.body)-500):])
	}
	for _, end := range []string{"[DONE]", `"finish_reason":"stop"`, "transcript.text.done"} {
		if bytes.Contains(got.body, []byte(end)) {
			t.Errorf("%s got out", end)
		}
	}
}

func sumOfBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// A provider whose signer changes between two answers: what the chain says about the new one counts, and where it says
// nothing nobody is condemned.
func TestRotatedSignerIsSeen(t *testing.T)     { rotateSigner(t, false) }
func TestRotatedSignerIsWithheld(t *testing.T) { rotateSigner(t, true) }

func rotateSigner(t *testing.T, enforce bool) {
	t.Helper()
	t.Parallel()
	x := newTamperer(t, enforce)
	signs := simprovider.Alteration{Key: devnet.TEEKey("rotated")}
	try := func(name string, is shown) {
		t.Helper()
		for _, letter := range "DS" {
			a := &attempt{
				tampering: tampering{name: name, with: signs, is: is}, surface: surfaces[letter], letter: letter, done: make(chan struct{}),
			}
			x.send(a)
			x.check(t, a)
		}
	}
	// With the first answer there is a session token, for which the chain had to be read.
	contentType, body := surfaces['D'].body(1_000_000)
	if got := x.post(x.providers["echo-1"], surfaces['D'].path, contentType, body); got.status != http.StatusOK {
		t.Fatalf("%d %s, %v", got.status, got.body, got.err)
	}
	x.atRest(x.providers["echo-1"]) // else its record counts as that of the next request
	x.net.Chain.SetFault(func(string, []byte) *simchain.Fault {
		return &simchain.Fault{Error: &simchain.RPCError{Code: -32005, Message: "too many requests"}}
	})
	try("while the chain cannot be read", shown{zg.VerdictUnavailable, "signer_unconfirmed"})
	x.net.Chain.SetFault(nil)
	try("without the chain knowing", shown{zg.VerdictInvalid, "wrong_signer"})

	p := x.providers["echo-1"]
	err := x.net.Chain.RegisterService(t.Context(), devnet.ProviderKey("alpha"), simchain.ServiceParams{
		ServiceType: string(zg.Chatbot), URL: p.URL(), Model: p.Model(), Verifiability: "TeeML",
		InputPrice: p.Price().Input, OutputPrice: p.Price().Output, TEESigner: crypto.PubkeyToAddress(signs.Key.PublicKey),
	})
	if err == nil {
		err = x.net.Chain.AcknowledgeSigner(t.Context(), p.Address())
	}
	if err != nil {
		t.Fatal(err)
	}
	// The daemon goes on with what it has read a moment ago, and looks again only because of the signature.
	a := &attempt{
		tampering: tampering{name: "with the chain knowing", with: signs, is: shown{zg.VerdictVerified, "signer_changed"}},
		surface:   surfaces['D'], letter: 'D', done: make(chan struct{}),
	}
	x.accept(p)
	x.send(a)
	x.check(t, a)
}
