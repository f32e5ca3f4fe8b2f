package conns

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// Reserve keeps a few descriptors for those who have to get in when there are no others. It opens them on nothing, and
// closes one when it is needed.
type Reserve struct {
	most int

	mu    sync.Mutex
	spare []*os.File
}

// NewReserve sets descriptors aside. Close gives them back.
func NewReserve(most int) (*Reserve, error) {
	r := &Reserve{most: most}
	if err := r.refill(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// refill sets aside what is missing, as far as it can be had.
func (r *Reserve) refill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.spare) < r.most {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		r.spare = append(r.spare, f)
	}
	return nil
}

// lend gives up one descriptor for somebody else; false: there is none.
func (r *Reserve) lend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.spare)
	if n == 0 {
		return false
	}
	err := r.spare[n-1].Close()
	r.spare = r.spare[:n-1]
	return err == nil
}

// Left is how many are set aside now.
func (r *Reserve) Left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.spare)
}

// Close gives all of them back.
func (r *Reserve) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = 0
	var err error
	for _, f := range r.spare {
		err = errors.Join(err, f.Close())
	}
	r.spare = nil
	return err
}

// For has a listener use the reserve when there are no other descriptors.
func (r *Reserve) For(l net.Listener) net.Listener { return &reserved{Listener: l, reserve: r} }

type reserved struct {
	net.Listener
	reserve *Reserve
}

func (l *reserved) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return &reservedConn{Conn: c, reserve: l.reserve}, nil
		}
		// Somebody else may be quicker with the descriptor that is given up: then another one is.
		if (!errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE)) || !l.reserve.lend() {
			return nil, err
		}
	}
}

type reservedConn struct {
	net.Conn
	reserve *Reserve
}

func (c *reservedConn) Close() error {
	err := c.Conn.Close()
	_ = c.reserve.refill() // what cannot be had now is set aside when the next one ends
	return err
}
