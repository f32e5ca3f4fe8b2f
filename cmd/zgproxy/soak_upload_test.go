package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// soakSound is the size of a recording in the soak: more than one step of what is set aside for an upload without a
// length.
const soakSound = 96 << 10

const soakBoundary = "soak"

// soakForm is a whole upload.
func (s *soak) soakForm() string {
	return "--" + soakBoundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + s.speech.Model() +
		"\r\n--" + soakBoundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"talk.mp3\"\r\n\r\n" +
		strings.Repeat("s", soakSound) + "\r\n--" + soakBoundary + "--\r\n"
}

// upload sends a recording without saying its length, or half of one before it hangs up; false means that it was
// refused.
func (s *soak) upload(half bool) bool {
	if half {
		s.uploads.Add(1)
		s.hung.Add(1)
		if err := s.hangUp(); err != nil {
			s.Error(err)
		}
		return true
	}
	body := struct{ io.Reader }{strings.NewReader(s.soakForm())}
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.daemon.api+"/v1/audio/transcriptions", body)
	if err != nil {
		s.Error(err)
		return true
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+soakBoundary)
	resp, err := httpClient.Do(req)
	if err != nil {
		s.uploads.Add(1)
		s.broken.Add(1)
		return true
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it comes
	_, err = io.Copy(io.Discard, resp.Body)
	switch {
	case resp.StatusCode != http.StatusOK:
		s.refused.Add(1)
		return false
	case err != nil:
		s.broken.Add(1)
	default:
		s.plain.Add(1)
	}
	s.uploads.Add(1)
	return true
}

// hangUp sends half of an upload in two chunks and goes away without waiting for anything.
func (s *soak) hangUp() error {
	conn, err := (&net.Dialer{}).DialContext(s.Context(), "tcp", strings.TrimPrefix(s.daemon.api, "http://"))
	if err != nil {
		return err
	}
	form := s.soakForm()
	first, second := form[:len(form)/4], form[len(form)/4:len(form)/2]
	// What cannot be written was refused already.
	_, _ = fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"+
		"Content-Type: multipart/form-data; boundary=%s\r\n\r\n%x\r\n%s\r\n%x\r\n%s",
		soakBoundary, len(first), first, len(second), second)
	return conn.Close()
}

// compareUploads: of an upload whose end never left the daemon nothing is booked, whoever broke it off, and nothing was
// taken for it on chain.
func (s *soak) compareUploads() {
	s.Helper()
	rows, err := s.store().QueryContext(s.Context(), `
		SELECT id, bound, COALESCE(fee, '0'), COALESCE(settled, '0'), COALESCE(request_bytes, 0) FROM requests WHERE provider = ?`, s.speech.Address().Hex())
	if err != nil {
		s.Fatal(err)
	}
	var whole, cut, free int
	for rows.Next() {
		var id string
		var bound, fee, settled zg.Neuron
		var n int
		if err := rows.Scan(&id, &bound, &fee, &settled, &n); err != nil {
			s.Fatal(err)
		}
		switch {
		case bound.IsZero():
			s.Errorf("upload %s was let out with nothing set aside", id)
		case n >= len(s.soakForm()):
			whole++
			continue
		case !fee.IsZero() || !settled.IsZero():
			s.Errorf("of upload %s %d bytes had gone out; %s is booked, %s was taken", id, n, fee, settled)
		default:
			free++
		}
		cut++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		s.Fatal(err)
	}
	if whole == 0 || free == 0 {
		s.Errorf("%d whole uploads, %d cut, %d of them free: this shows nothing", whole, cut, free)
	}
	s.Logf("uploads: %d went out whole; of %d the end never did, and all of them were free", whole, cut)
}
