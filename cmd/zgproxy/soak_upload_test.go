package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
func (s *soak) soakForm() string { return uploadForm(s.speech.Model()) }

func uploadForm(model string) string {
	return "--" + soakBoundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + model +
		"\r\n--" + soakBoundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"talk.mp3\"\r\n\r\n" +
		strings.Repeat("s", soakSound) + "\r\n--" + soakBoundary + "--\r\n"
}

// upload sends a recording, half of them without saying its length, or a part of one before it hangs up; false means
// that it was refused.
func (s *soak) upload(random *rand.Rand) bool {
	if random.IntN(2) == 0 {
		s.uploads.Add(1)
		s.hung.Add(1)
		if err := hangUp(s.Context(), s.daemon.api, s.soakForm(), random); err != nil {
			s.Error(err)
		}
		return true
	}
	body := io.Reader(strings.NewReader(s.soakForm()))
	if random.IntN(2) == 0 {
		body = struct{ io.Reader }{body} // of no known length
	}
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

// hangUp sends a part of an upload, which says its length or does not, and goes away without waiting for anything. The
// part may be all of it but its last byte, or but the sign that it was the last.
func hangUp(ctx context.Context, api, form string, random *rand.Rand) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(api, "http://"))
	if err != nil {
		return err
	}
	part := 2 + random.IntN(len(form)-2)
	if random.IntN(4) == 0 {
		part = len(form) - 1
	}
	length, sent := fmt.Sprintf("Content-Length: %d", len(form)), form[:part]
	if random.IntN(2) == 0 {
		if random.IntN(4) == 0 {
			part = len(form)
		}
		first := part / 2
		length = "Transfer-Encoding: chunked"
		sent = fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s", first, form[:first], part-first, form[first:part])
	}
	// What cannot be written was refused already.
	_, _ = fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n"+
		"Content-Type: multipart/form-data; boundary=%s\r\n\r\n%s", length, soakBoundary, sent)
	return conn.Close()
}

// compareUploads: of an upload whose end never left the daemon nothing is recorded, whoever broke it off, and nothing was
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
