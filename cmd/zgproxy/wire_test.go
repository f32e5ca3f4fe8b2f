package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// wire is a connection to the daemon on which a test says what it likes.
type wire struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

// patience ends what hangs; nothing waits for so long while all is well.
const patience = 3 * time.Minute

func (w *world) dial(t *testing.T) *wire {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(w.daemon.api, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() }) // most are closed by then
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &wire{T: t, Conn: conn, in: bufio.NewReader(conn)}
}

// say writes. The other side may have hung up already: what it answered before counts.
func (c *wire) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// answer reads the next response, with its body. The error is that of reading it.
func (c *wire) answer() (*http.Response, string, error) {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// must reads the next response and expects the status.
func (c *wire) must(status int) (*http.Response, string) {
	c.Helper()
	resp, body, err := c.answer()
	if err != nil {
		c.Fatalf("no answer: %v", err)
	}
	if resp.StatusCode != status {
		c.Fatalf("%d %.300q, want %d", resp.StatusCode, body, status)
	}
	return resp, body
}

// closed expects that the other side hangs up without another word.
func (c *wire) closed() {
	c.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	rest, err := io.ReadAll(c.in)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.Errorf("%.200q and %v, want the end of the connection", rest, err)
	}
}

// envelope reads an error in OpenAI's form.
func (c *wire) envelope(body string) (code, param string) {
	c.Helper()
	var doc struct {
		Error struct {
			Message, Type, Code string
			Param               *string
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Error.Message == "" || doc.Error.Type == "" {
		c.Fatalf("%.300q is no error object: %v", body, err)
	}
	if doc.Error.Param != nil {
		param = *doc.Error.Param
	}
	return doc.Error.Code, param
}

const smallChat = `{"model":"echo-1","messages":[{"role":"user","content":"hello"}]}`

// request is a whole request for a chat.
func request(header, body string) string {
	return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + header + "\r\n" + body
}

func sized(body string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(body)) }
