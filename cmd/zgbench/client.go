package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is what one target is asked to do for one measured round.
type load struct {
	name        string
	body        []byte
	concurrency int
	wantSuffix  []byte // the last bytes of a whole answer; anything else is a cut
}

// result is one round of one target.
type result struct {
	requests   int
	errors     int
	seconds    float64
	p50, p99   time.Duration
	first50    time.Duration // to the first body byte
	cpuMicros  float64       // of the process under test, per request
	allocs     float64       // of the process under test, per request
	firstError error
}

func (r result) perSecond() float64 { return float64(r.requests) / r.seconds }

// run sends the load for the given time (or until count answers, when count > 0) over kept-alive connections.
func run(ctx context.Context, addr, path string, l load, d time.Duration, count int) result {
	wire := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer bench\r\nContent-Length: %d\r\n\r\n%s",
		path, addr, len(l.body), l.body)
	var mu sync.Mutex
	var all, firsts []time.Duration
	var res result
	start := time.Now()
	var wg sync.WaitGroup
	each := 0
	if count > 0 {
		each = (count + l.concurrency - 1) / l.concurrency
	}
	for range l.concurrency {
		wg.Go(func() {
			var lat, fst []time.Duration
			var failed int
			var firstErr error
			var c *conn
			for n := 0; (each > 0 && n < each) || (each == 0 && time.Since(start) < d); n++ {
				if ctx.Err() != nil {
					break
				}
				var err error
				if c == nil {
					if c, err = dial(ctx, addr); err != nil {
						failed, firstErr = failed+1, err
						break
					}
				}
				took, first, err := c.exchange(wire, l.wantSuffix)
				if err != nil {
					failed++
					firstErr = errors.Join(firstErr, err)
					_ = c.Close() // a new one is dialled
					c = nil
					continue
				}
				lat, fst = append(lat, took), append(fst, first)
			}
			if c != nil {
				_ = c.Close() // done with it
			}
			mu.Lock()
			defer mu.Unlock()
			all, firsts = append(all, lat...), append(firsts, fst...)
			res.errors += failed
			if res.firstError == nil {
				res.firstError = firstErr
			}
		})
	}
	wg.Wait()
	res.seconds = time.Since(start).Seconds()
	res.requests = len(all)
	slices.Sort(all)
	slices.Sort(firsts)
	if n := len(all); n > 0 {
		res.p50, res.p99, res.first50 = all[n/2], all[n*99/100], firsts[n/2]
	}
	return res
}

// conn is a client that does as little as HTTP/1.1 allows, so that it takes little of the machine from what is measured.
type conn struct {
	net.Conn
	r    *bufio.Reader
	tail []byte
}

func dial(ctx context.Context, addr string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 64<<10)}, nil
}

// exchange sends one request and reads the whole answer. It fails unless the answer is a 200 that ends in suffix.
func (c *conn) exchange(wire, suffix []byte) (took, first time.Duration, err error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if _, err := c.Write(wire); err != nil {
		return 0, 0, fmt.Errorf("send: %w", err)
	}
	length, chunked, status := -1, false, ""
	for i := 0; ; i++ {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, 0, fmt.Errorf("read header: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if i == 0 {
			status = string(line)
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	c.tail = c.tail[:0]
	switch {
	case chunked:
		for {
			line, err := c.r.ReadSlice('\n')
			if err != nil {
				return 0, 0, fmt.Errorf("read chunk size: %w", err)
			}
			n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
			if err != nil {
				return 0, 0, err
			}
			if err := c.body(int(n)); err != nil {
				return 0, 0, err
			}
			if first == 0 {
				first = time.Since(start)
			}
			if _, err := c.r.Discard(2); err != nil {
				return 0, 0, fmt.Errorf("read chunk end: %w", err)
			}
			if n == 0 {
				break
			}
		}
	case length >= 0:
		if err := c.body(length); err != nil {
			return 0, 0, err
		}
		first = time.Since(start)
	default:
		return 0, 0, errors.New("answer without length")
	}
	took = time.Since(start)
	if status != "HTTP/1.1 200 OK" {
		return 0, 0, fmt.Errorf("%s: %s", status, c.tail)
	}
	if !bytes.HasSuffix(c.tail, suffix) {
		return 0, 0, fmt.Errorf("%w: the answer ends in %q", io.ErrUnexpectedEOF, c.tail[max(0, len(c.tail)-60):])
	}
	return took, first, nil
}

// body reads n bytes and remembers the last of them.
func (c *conn) body(n int) error {
	for n > 0 {
		p, err := c.r.Peek(min(n, c.r.Size()))
		if err != nil && len(p) == 0 {
			return fmt.Errorf("read body: %w", err)
		}
		c.tail = append(c.tail, p...)
		if over := len(c.tail) - 2048; over > 0 {
			c.tail = c.tail[:copy(c.tail, c.tail[over:])]
		}
		n -= len(p)
		if _, err := c.r.Discard(len(p)); err != nil {
			return err
		}
	}
	return nil
}
