package conns

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// outWait is how long a connection to a provider waits for another one to end.
const outWait = 2 * time.Second

// Out bounds the connections that lead out, of several transports together. Idle ones are given up before anybody
// waits.
type Out struct {
	most int

	mu     sync.Mutex
	open   int
	shared []*http.Transport
	change chan struct{} // closed when one ends; nil: nobody waits for that
}

// NewOut builds a bound. It has no effect before Bound.
func NewOut(most int) *Out { return &Out{most: most} }

// Bound has the transport's connections count. It is called before the transport is used. Who finds no room gets the
// error of a process that has no descriptors left, as a failure to connect: nothing was sent.
func (o *Out) Bound(t *http.Transport) *http.Transport {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !o.enter(ctx) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		c, err := dial(ctx, network, address)
		if err != nil {
			o.leave()
			return nil, err
		}
		return &outConn{Conn: c, leave: sync.OnceFunc(o.leave)}, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shared = append(o.shared, t)
	return t
}

func (o *Out) enter(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, outWait)
	defer cancel()
	for tidied := false; ; {
		o.mu.Lock()
		if o.open < o.most {
			o.open++
			o.mu.Unlock()
			return true
		}
		if o.change == nil {
			o.change = make(chan struct{})
		}
		change, shared := o.change, o.shared
		o.mu.Unlock()
		if !tidied {
			tidied = true
			for _, t := range shared {
				t.CloseIdleConnections()
			}
		}
		select {
		case <-change:
		case <-ctx.Done():
			return false
		}
	}
}

func (o *Out) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	if o.change != nil {
		close(o.change)
		o.change = nil
	}
}

// Open is how many connections there are.
func (o *Out) Open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open
}

type outConn struct {
	net.Conn
	leave func()
}

func (c *outConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
