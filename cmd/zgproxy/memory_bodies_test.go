package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

const (
	// What the daemon is told that it may have, and what the system lets it have: the difference is this binary's
	// simulated chain, and what the collector has not given back.
	memoryTold    = 384 << 20
	memoryAllowed = 896 << 20
)

// peak is the largest resident memory that a process had, in MB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	mb, err := residentMemory(pid, "VmHWM")
	if err != nil {
		t.Skipf("resident memory is read from Linux: %v", err)
	}
	return mb
}

// padded is a chat for a model that nobody has, with so much white space in it.
func padded(size int) []byte {
	return []byte(`{"model":"nobody-1","messages":[]` + strings.Repeat(" ", size) + "}")
}

// TestMemoryOfBodies sends more bodies at a time than a process may have memory for, under a limit that the system
// enforces: those that there is no room for are told when to come back, and the process lives and answers.
func TestMemoryOfBodies(t *testing.T) {
	if raced {
		t.Skip("the race detector has memory needs of its own")
	}
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "GOMEMLIMIT="+strconv.Itoa(memoryTold))
	d := w.child()
	if err := unix.Prlimit(d.pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: memoryAllowed, Max: memoryAllowed}, nil); err != nil {
		t.Fatal(err)
	}
	answers := func() {
		t.Helper()
		if err := askedOnce(w, false, "still here"); err != nil {
			t.Errorf("meanwhile: %v", err)
		}
	}
	answers()

	// 40 requests of 32 KB that unpack to 31 MiB each.
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(padded(31 << 20)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			resp, err := w.send(t.Context(), "/v1/chat/completions", "application/json", packed.Bytes(), "Content-Encoding", "gzip")
			if err != nil {
				t.Errorf("%d bytes packed: %v", packed.Len(), err)
				return
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte("unpacks to more than")) {
				t.Errorf("%d bytes packed: %d %.300s", packed.Len(), resp.StatusCode, body)
			}
		})
	}
	wg.Wait()
	answers()
	t.Logf("after 40 requests of %d bytes, packed: %d MB at most", packed.Len(), peak(t, d.pid))

	// 30 callers that send 30 MiB each and then wait with the last byte.
	body := padded(30 << 20)
	host := strings.TrimPrefix(d.api, "http://")
	begun := make(chan net.Conn, 30)
	for range cap(begun) {
		wg.Go(func() {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
			if err != nil {
				t.Error(err)
				return
			}
			begun <- c
			_, err = fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"+
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
			if err == nil {
				_, _ = c.Write(body[:len(body)-1]) // who is refused meanwhile does not get all of it away
			}
		})
	}
	wg.Wait()
	answers()
	close(begun)
	refused, held := 0, 0
	for c := range begun {
		_, _ = c.Write(body[len(body)-1:])
		if told(t, c) {
			refused++
		} else {
			held++
		}
		_ = c.Close()
	}
	if refused == 0 || held == 0 {
		t.Errorf("%d of 30 large bodies were refused, %d read whole; want some of both", refused, held)
	}
	answers()
	t.Logf("after 30 bodies of 30 MiB at a time, of which %d were read whole: %d MB at most", held, peak(t, d.pid))
}

// told reads the answer to a large body: whether it was refused for want of memory, with the time to come back.
func told(t *testing.T, c net.Conn) bool {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("a large body: %v", err)
		return true
	}
	defer resp.Body.Close()
	var doc struct {
		Error struct{ Code string } `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Errorf("a large body: %d, %v", resp.StatusCode, err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound && doc.Error.Code == "model_not_found":
		return false
	case resp.StatusCode == http.StatusServiceUnavailable && doc.Error.Code == "memory_full" &&
		resp.Header.Get("Retry-After") != "" && resp.Header.Get("X-Should-Retry") == "":
	default:
		t.Errorf("a large body: %d %s %v", resp.StatusCode, doc.Error.Code, resp.Header)
	}
	return true
}
