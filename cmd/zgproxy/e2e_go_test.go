package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// goScenario is one thing that openai-go does. Names are shared with the other clients where they do the same.
type goScenario struct {
	name    string
	only    string // viaDaemon: there is no such thing without one
	differs string // why the answers are not compared byte by byte
	play    func(*stage)
}

// stage is where a scenario plays.
type stage struct {
	*testing.T
	*recorder
	site   *site
	target string
	spare  *[]string
}

// takeSpare is a model that nobody else asks for, from the only provider of it.
func (s *stage) takeSpare() string {
	s.Helper()
	model := (*s.spare)[0]
	*s.spare = append((*s.spare)[1:], model)
	s.site.setFault(model, simprovider.Fault{})
	if err := s.site.heal(model); err != nil {
		s.Fatal(err)
	}
	return model
}

// daemon reports whether requests go through one.
func (s *stage) daemon() bool { return s.target == viaDaemon }

// client asks for a model where it is to be asked for, without retries unless options say otherwise.
func (s *stage) client(model string, options ...option.RequestOption) *openai.Client {
	at := s.site.at(s.target, model)
	c := openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(at.Base + "/"), option.WithAPIKey(at.Key), option.WithMaxRetries(0), option.WithHTTPClient(&http.Client{Transport: s.recorder}),
	}, options...)...)
	return &c
}

func (s *stage) chat(model, text string) (*openai.ChatCompletion, error) {
	return s.client(model).Chat.Completions.New(s.Context(), openai.ChatCompletionNewParams{Model: model, Messages: userSays(text)})
}

// refused checks that an error is the API's own, and returns what it says and its headers.
func (s *stage) refused(err error, status int, code string) (message string, header http.Header) {
	s.Helper()
	api, ok := errors.AsType[*openai.Error](err)
	if !ok || (status != 0 && api.StatusCode != status) || (code != "" && api.Code != code) {
		s.Fatalf("%v, want an API error with %d %s", err, status, code)
	}
	return api.Message, api.Response.Header
}

// recorder keeps what comes back, and changes nothing.
type recorder struct {
	mu      sync.Mutex
	answers []*reply
	bodies  []*bytes.Buffer
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	a, body := &reply{Method: req.Method, Path: req.URL.Path}, &bytes.Buffer{}
	if req.GetBody != nil {
		if sent, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(sent) // it is in memory
			a.Usage = bytes.Contains(text, []byte(`"include_usage":true`))
		}
	}
	r.mu.Lock()
	r.answers, r.bodies = append(r.answers, a), append(r.bodies, body)
	r.mu.Unlock()
	resp, err := httpClient.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	a.Status, a.Type = resp.StatusCode, resp.Header.Get("Content-Type")
	resp.Body = &copied{Reader: io.TeeReader(resp.Body, body), body: resp.Body, whole: resp.StatusCode >= http.StatusBadRequest}
	return resp, nil
}

// copied is a body that is kept as it is read. Errors are kept whole: a client that tries again does not read them.
type copied struct {
	io.Reader
	body  io.Closer
	whole bool
}

func (c *copied) Close() error {
	if c.whole {
		_, _ = io.Copy(io.Discard, c.Reader) // what can be had of it
	}
	return c.body.Close()
}

// all is what came back, once nothing is under way.
func (r *recorder) all() []reply {
	var all []reply
	for i, a := range r.answers {
		a.Body = r.bodies[i].Bytes()
		all = append(all, *a)
	}
	return all
}

// playGo plays the scenarios of openai-go whose names have a part.
func (s *site) playGo(target, part string) []played {
	var all []played
	spare := s.spareFor(goClient)
	for _, sc := range goScenarios {
		if (sc.only != "" && sc.only != target) || !strings.Contains(sc.name, part) {
			continue
		}
		o := played{Client: goClient, Target: target, Scenario: sc.name, Differs: sc.differs}
		o.OK = s.Run(target+"/"+sc.name, func(t *testing.T) {
			st := &stage{T: t, recorder: &recorder{}, site: s, target: target, spare: &spare}
			sc.play(st)
			o.Answers = st.all()
		})
		if !o.OK {
			o.Error = "see above"
		}
		all = append(all, o)
	}
	return all
}

// TestOpenAIScenarios has openai-go play its scenarios against a daemon and bare providers, whose answers have to be the same.
func TestOpenAIScenarios(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	for _, o := range compared(append(s.playGo(viaDaemon, ""), s.playGo(bareProvider, "")...)) {
		if !o.OK {
			t.Errorf("%s, %s: %s", o.Target, o.Scenario, o.Error)
		}
	}
}

func TestSameAnswer(t *testing.T) {
	stream := func(s string) reply {
		return reply{Status: http.StatusOK, Type: "text/event-stream", Body: []byte(s)}
	}
	document := func(status int, s string) reply {
		return reply{Status: status, Type: "application/json", Body: []byte(s)}
	}
	const (
		first = `data: {"id":"chatcmpl-0a1b2c3d-0000-4000-8000-000000000000","created":1,"choices":[{"delta":{"content":"a"}}]}` + "\n\n"
		usage = `data: {"id":"chatcmpl-0a1b2c3d-0000-4000-8000-000000000000","created":1,"choices":[],"usage":{"prompt_tokens":1}}` + "\n\n"
		end   = "data: [DONE]\n\n"
	)
	other := strings.NewReplacer("0a1b2c3d", "99999999", `"created":1`, `"created":2`).Replace(first)
	asked := stream(first + usage + end)
	asked.Usage = true
	for name, tc := range map[string]struct {
		daemon, bare reply
		same         bool
	}{
		"the same":                           {stream(first + end), stream(first + end), true},
		"another id and time":                {stream(other + end), stream(first + end), true},
		"usage that nobody asked for":        {stream(first + end), stream(first + usage + end), true},
		"usage that was asked for":           {stream(first + end), asked, false},
		"a letter":                           {stream(strings.Replace(first, `"a"`, `"b"`, 1) + end), stream(first + end), false},
		"no end":                             {stream(first), stream(first + end), false},
		"a space":                            {document(200, `{"a": 1}`), document(200, `{"a":1}`), false},
		"another status":                     {document(500, `{}`), document(200, `{}`), false},
		"an error as a string":               {document(503, `{"error":{"message":"busy","code":"x"}}`), document(400, `{"error":"busy"}`), true},
		"an error object passed on":          {document(400, `{"error":{"message":"m"}}`), document(400, `{"error":{"message":"m"}}`), true},
		"an error object that was rewritten": {document(400, `{"error":{"message":"n"}}`), document(400, `{"error":{"message":"m"}}`), false},
	} {
		if err := sameAnswer(tc.daemon, tc.bare); (err == nil) != tc.same {
			t.Errorf("%s: %v, want same = %t", name, err, tc.same)
		}
	}
}
