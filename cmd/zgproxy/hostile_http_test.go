package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

// Whatever comes over a connection, the daemon answers with an error or hangs up, sends nothing to a provider on the
// strength of it, and goes on to serve others.
func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	served := func(t *testing.T) {
		t.Helper()
		c := w.dial(t)
		c.say(request(sized(smallChat)+"Connection: close\r\n", smallChat))
		if _, body := c.must(http.StatusOK); !strings.Contains(body, "hello") {
			t.Errorf("the daemon answers %s", body)
		}
		c.closed()
	}
	// Headers that never end: one connection each, all through the test.
	var slow []*wire
	for i := range 50 {
		c := w.dial(t)
		c.say(request("", "")[:20+i])
		slow = append(slow, c)
	}
	t.Run("slow headers keep nobody else waiting", served)
	t.Run("slow bodies keep nobody else waiting", func(t *testing.T) {
		var waiting []*wire
		for range 50 {
			c := w.dial(t)
			c.say(request(sized(smallChat), smallChat[:10]))
			waiting = append(waiting, c)
		}
		served(t)
		for _, c := range waiting[:49] {
			_ = c.Close() // an end in the middle of a body
		}
		c := waiting[49]
		c.say(smallChat[10:])
		c.must(http.StatusOK)
	})

	before := w.received()
	t.Run("malformed", func(t *testing.T) {
		const chat = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		for name, tc := range map[string]struct {
			text string
			want int // 0: any error, or no answer
		}{
			"no request":              {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
			"one word":                {"GARBAGE\r\n\r\n", 400},
			"HTTP/0.9":                {"GET /v1/models\r\n\r\n", 400},
			"a version not known":     {"GET /v1/models HTTP/9.9\r\nHost: localhost\r\n\r\n", 505},
			"spaces":                  {"GET  /v1/models  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
			"no host":                 {"GET /v1/models HTTP/1.1\r\n\r\n", 400},
			"two hosts":               {"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
			"a host that is none":     {"GET /v1/models HTTP/1.1\r\nHost: local host\r\n\r\n", 0},
			"a zero byte":             {"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n", 400},
			"space before colon":      {chat + "Content-Length : 5\r\n\r\nhello", 400},
			"no colon":                {chat + "nonsense\r\n\r\n", 400},
			"a name of no letters":    {chat + "(): x\r\n\r\n", 400},
			"folded":                  {chat + "X-A: b\r\n\tc\r\n" + sized(`{}`) + "\r\n{}", 0},
			"two lengths":             {chat + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
			"a length below zero":     {chat + "Content-Length: -1\r\n\r\n", 400},
			"a length with a sign":    {chat + "Content-Length: +2\r\n\r\n{}", 400},
			"a length too large":      {chat + "Content-Length: 99999999999999999999\r\n\r\n", 400},
			"length and chunks":       {chat + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
			"a coding not known":      {chat + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
			"chunked twice":           {chat + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501},
			"a chunk of no size":      {chat + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", 400},
			"a chunk too short":       {chat + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400},
			"a chunk larger than all": {chat + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}", 400},
			"escapes in the path":     {"GET /v1/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
			"no path":                 {"GET v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
			"another host's URL":      {"GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
			"a tunnel":                {"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 403},
			"a tunnel to itself":      {"CONNECT localhost:3000 HTTP/1.1\r\nHost: localhost:3000\r\n\r\n", 405},
			"a method of its own":     {"BREW /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
			"a method in lower case":  {"get /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
			"an upgrade":              {"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 404},
			"an expectation":          {chat + "Expect: miracles\r\n" + sized(`{}`) + "\r\n{}", 417},
			"a header bomb":           {chat + "X-Bomb: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431},
			"many headers":            {chat + strings.Repeat("X-A: bbbbbbbb\r\n", 6000) + "\r\n", 431},
			"an endless line":         {"GET /" + strings.Repeat("x", 80<<10), 431},
		} {
			t.Run(name, func(t *testing.T) {
				c := w.dial(t)
				go c.say(tc.text) // more than the other side may want to read
				resp, body, err := c.answer()
				switch {
				case tc.want != 0 && (resp == nil || resp.StatusCode != tc.want): // what of the body is lost where the server closes on unread bytes does not matter
					t.Fatalf("%+v %.200q %v, want %d", resp, body, err, tc.want)
				case err != nil:
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatal("it hangs")
					}
					return
				case resp.StatusCode < 400:
					t.Fatalf("%d %.200q, want an error", resp.StatusCode, body)
				}
				if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
					c.envelope(body)
				} else if body != "" && !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("%q of type %q, want JSON, or the server's one line", body, resp.Header.Get("Content-Type"))
				}
			})
		}
	})

	t.Run("garbage", func(t *testing.T) {
		for name, tc := range map[string]struct{ body, param string }{
			"nothing": {"", ""}, "white space": {" \n ", ""}, "null": {"null", ""}, "a number": {"1", ""}, "a string": {`"x"`, ""}, "a list": {`[]`, ""}, "an end too early": {`{"model":`, ""},
			"a comma too many": {`{"model":"echo-1",}`, ""}, "two documents": {`{"model":"echo-1"}{"model":"echo-1"}`, ""}, "single quotes": {`{'model':'echo-1'}`, ""},
			"a comment": {`{/* */"model":"echo-1"}`, ""}, "NaN": {`{"model":"echo-1","temperature":NaN}`, ""}, "a leading zero": {`{"model":"echo-1","seed":01}`, ""},
			"not UTF-8": {"{\"model\":\"echo-1\xff\"}", ""}, "UTF-16": {"\xff\xfe{\x00}\x00", ""}, "a byte order mark": {"\xef\xbb\xbf{}", ""}, "a bare control character": {"{\"model\":\"echo-1\n\"}", ""},
			"a bad escape": {`{"model":"\q"}`, ""}, "half an escape": {`{"model":"\u12`, ""}, "nested without end": {`{"model":"echo-1","a":` + strings.Repeat("[", 100_000), ""},
			"a form": {"model=echo-1&stream=true", ""}, "a page": {"<html></html>", ""}, "zeros": {"\x00\x00\x00", ""},
			"model twice": {`{"model":"echo-1","model":"echo-1"}`, "model"}, "stream as text": {`{"model":"echo-1","stream":"true"}`, "stream"},
			"model as a number": {`{"model":1}`, "model"}, "no model": {`{"messages":[]}`, "model"}, "an empty model": {`{"model":""}`, "model"},
			"options as text": {`{"model":"echo-1","stream":true,"stream_options":"x"}`, "stream_options"}, "n as text": {`{"model":"echo-1","n":"2"}`, "n"},
		} {
			t.Run(name, func(t *testing.T) {
				c := w.dial(t)
				c.say(request(sized(tc.body), tc.body))
				_, body := c.must(http.StatusBadRequest)
				if _, param := c.envelope(body); param != tc.param {
					t.Errorf("%s: param %q, want %q", body, param, tc.param)
				}
			})
		}
	})

	t.Run("bodies cut off", func(t *testing.T) {
		for name, text := range map[string]string{
			"a chunk of all there is": request("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"+smallChat),
			"length":                  request("Content-Length: 1000\r\n", smallChat), "chunk": request("Transfer-Encoding: chunked\r\n", "400\r\n"+smallChat),
			"between chunks": request("Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(smallChat), smallChat)),
		} {
			t.Run(name, func(t *testing.T) {
				c := w.dial(t)
				c.say(text)
				if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				_, body := c.must(http.StatusBadRequest)
				if code, _ := c.envelope(body); code != "request_body" {
					t.Errorf("%s, want request_body", body)
				}
			})
		}
	})

	t.Run("a length too short", func(t *testing.T) {
		c := w.dial(t)
		c.say(request("Content-Length: 10\r\n", smallChat)) // what is left over is no request
		_, body := c.must(http.StatusBadRequest)
		c.envelope(body)
		c.must(http.StatusBadRequest)
		c.closed()
	})

	// The body is asked for when it is wanted, not before.
	t.Run("refused before the body", func(t *testing.T) {
		for name, tc := range map[string]struct {
			text string
			want int
		}{
			"too large":    {request("Expect: 100-continue\r\nContent-Length: 67108864\r\n", ""), 413},
			"unknown URL":  {"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 404},
			"wrong method": {"PUT /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 405},
			"foreign page": {request("Origin: https://evil.example\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n", ""), 403},
		} {
			t.Run(name, func(t *testing.T) {
				c := w.dial(t)
				c.say(tc.text)
				_, body := c.must(tc.want) // and no 100 before it
				c.envelope(body)
				if tc.want == http.StatusRequestEntityTooLarge {
					c.closed()
					return
				}
				slow = append(slow, c) // the body may still come, but is not waited for for ever
			})
		}
	})
	if n := w.received(); n != before {
		t.Errorf("%d of these requests reached the provider", n-before)
	}

	t.Run("100-continue", func(t *testing.T) {
		c := w.dial(t)
		c.say(request("Expect: 100-continue\r\n"+sized(smallChat), ""))
		line, err := c.in.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		c.say(smallChat)
		c.must(http.StatusOK)
	})
	t.Run("chunked", func(t *testing.T) {
		c := w.dial(t)
		c.say(request("Transfer-Encoding: chunked\r\n", ""))
		for i := range len(smallChat) {
			c.say("1\r\n" + smallChat[i:i+1] + "\r\n")
		}
		c.say("0\r\nX-Trailer: x\r\n\r\n")
		c.must(http.StatusOK)
	})
	t.Run("pipelined", func(t *testing.T) {
		c := w.dial(t)
		bad := `{"model":"none"}`
		c.say(request(sized(smallChat), smallChat) + request(sized(bad), bad) + "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		c.must(http.StatusOK)
		_, body := c.must(http.StatusNotFound)
		c.envelope(body)
		c.must(http.StatusOK)
		c.closed()
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		c := w.dial(t)
		stream := strings.Replace(smallChat, "{", `{"stream":true,`, 1)
		c.say(strings.Replace(request(sized(stream), stream), "HTTP/1.1", "HTTP/1.0", 1))
		resp, body := c.must(http.StatusOK)
		if len(resp.TransferEncoding) != 0 || !resp.Close || !strings.HasSuffix(body, "data: [DONE]\n\n") {
			t.Errorf("%v, %v, %q, want the whole stream until the connection ends", resp.TransferEncoding, resp.Close, body)
		}
	})
	t.Run("whole URL in the request line", func(t *testing.T) {
		c := w.dial(t)
		c.say("GET http://localhost:1/v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n") // the URL counts, not the header
		c.must(http.StatusOK)
		c.say("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.must(http.StatusOK)
		c.say("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		head, err := http.ReadResponse(c.in, &http.Request{Method: http.MethodHead})
		if err != nil {
			t.Fatal(err)
		}
		defer head.Body.Close()
		if head.StatusCode != http.StatusOK || head.ContentLength <= 0 {
			t.Errorf("HEAD: %d, length %d", head.StatusCode, head.ContentLength)
		}
		c.closed()
	})

	t.Run("the slow are given up", func(t *testing.T) {
		for _, c := range slow {
			c.T = t
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if resp, body, err := c.answer(); err == nil && resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestTimeout {
				t.Errorf("%d %.200q, want a refusal at most", resp.StatusCode, body)
			}
			c.closed()
		}
	})
	t.Run("served after all", served)
}

// Requests that were compressed.
func TestCompressedRequests(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	packed := func(body string) string {
		var out bytes.Buffer
		zw := gzip.NewWriter(&out)
		if _, err := io.WriteString(zw, body); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var much strings.Builder
	for i := 0; much.Len() < 33<<20; i++ {
		fmt.Fprintf(&much, "This is line %d of something that is too long to be sent. ", i)
	}
	good := packed(smallChat)
	for name, tc := range map[string]struct {
		coding, body string
		want         int
	}{
		"gzip": {"gzip", good, 200}, "x-gzip": {"x-gzip", good, 200}, "upper case": {"GZIP", good, 200}, "identity": {"identity", smallChat, 200},
		"not compressed": {"gzip", smallChat, 400}, "cut off": {"gzip", good[:len(good)-4], 400}, "another coding": {"br", good, 415},
		"too large":     {"gzip", packed(`{"model":"echo-1","x":"` + much.String() + `"}`), 413},
		"made to burst": {"gzip", packed(`{"model":"echo-1","x":"` + strings.Repeat("x", 33<<20) + `"}`), 400},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dial(t)
			c.say(request("Content-Encoding: "+tc.coding+"\r\n"+sized(tc.body), tc.body))
			if _, body := c.must(tc.want); tc.want != http.StatusOK {
				c.envelope(body)
			}
		})
	}
}

// HTTP/2 without TLS, to which the client does not ask its way.
func TestHTTP2WithoutTLS(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	defer client.CloseIdleConnections()
	for name, tc := range map[string]struct {
		body string
		want int
	}{"document": {smallChat, 200}, "stream": {strings.Replace(smallChat, "{", `{"stream":true,`, 1), 200}, "refusal": {`{`, 400}} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.daemon.api+"/v1/chat/completions", strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tc.want || resp.ProtoMajor != 2 {
				t.Errorf("%s %d %.200q, %v, want HTTP/2 and %d", resp.Proto, resp.StatusCode, body, err, tc.want)
			}
		})
	}
}
