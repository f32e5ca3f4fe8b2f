// Package conns bounds connections: how many callers have at a time, how many lead to providers, and the few
// descriptors that are kept for the operator when everybody else has used theirs. It knows nothing of what passes over
// them, starts no goroutine, and nothing is durable.
package conns

import (
	"container/list"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// roomWait is how long a new connection waits for another one to end or to fall idle.
	roomWait = time.Second
	// farewell is how long whoever is refused may take to read why.
	farewell = 100 * time.Millisecond
)

const refusalBody = `{"error":{"message":"zgproxy has as many connections as it may have. Try again in a moment.",` +
	`"type":"server_error","param":null,"code":"too_many_connections"}}` + "\n"

// refusal is what a connection that there is no room for is told: nothing was read of its request.
var refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n" +
	"Retry-After: 1\r\nX-Zgproxy-Error: too_many_connections\r\nContent-Length: " + strconv.Itoa(len(refusalBody)) + "\r\n\r\n" + refusalBody

// Listener limits the number of connections at a time. When there are no more, the one that has been idle for longest
// is closed for a new one; where none is idle, the new one is refused after a moment.
type Listener struct {
	net.Listener
	most    int
	refused func() // counts one

	mu     sync.Mutex
	open   int
	idle   *list.List    // of *Conn, the longest idle first
	change chan struct{} // closed when one ends or falls idle; nil: nobody waits for that
}

// Limit bounds a listener. Give State to its server, so that it is known which connections are idle. refused is told of
// every connection that there was no room for; it may be nil.
func Limit(l net.Listener, most int, refused func()) *Listener {
	return &Listener{Listener: l, most: most, refused: refused, idle: list.New()}
}

// Accept returns the next connection that there is room for.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.enter() {
			return &Conn{Conn: c, of: l}, nil
		}
		if l.refused != nil {
			l.refused()
		}
		dismiss(c)
	}
}

// enter finds room for one more, waiting for it if it has to.
func (l *Listener) enter() bool {
	end := time.NewTimer(roomWait)
	defer end.Stop()
	for {
		l.mu.Lock()
		if l.open < l.most {
			l.open++
			l.mu.Unlock()
			return true
		}
		longest := l.idle.Front()
		if longest != nil {
			l.idle.Remove(longest)
			longest.Value.(*Conn).at = nil
		}
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		if longest != nil {
			_ = longest.Value.(*Conn).Close() // it leaves, whatever its other end makes of that
			continue
		}
		select {
		case <-change:
		case <-end.C:
			return false
		}
	}
}

// dismiss tells a connection why it ends. What its other end has sent is read a little, because it would else be told
// nothing but that the connection was reset.
func dismiss(c net.Conn) {
	if c.SetDeadline(time.Now().Add(farewell)) == nil {
		_, err := io.WriteString(c, refusal)
		if half, ok := c.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10)) // as far as it comes
		}
	}
	_ = c.Close() // it is refused in any case
}

// State is for http.Server's ConnState.
func (l *Listener) State(c net.Conn, s http.ConnState) {
	own, ok := c.(*Conn)
	if !ok || own.of != l {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.at != nil {
		l.idle.Remove(own.at)
		own.at = nil
	}
	if s == http.StateIdle && !own.left {
		own.at = l.idle.PushBack(own)
		l.changedLocked()
	}
}

func (l *Listener) changedLocked() {
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}

// Open is how many connections there are.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Conn is a connection that counts until it is closed.
type Conn struct {
	net.Conn
	of   *Listener
	at   *list.Element // among the idle ones, under of.mu
	left bool          // under of.mu
}

// Close ends the connection and makes room for another one.
func (c *Conn) Close() error {
	err := c.Conn.Close() // first, so that there are never more descriptors than connections
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if !c.left {
		c.left = true
		c.of.open--
		if c.at != nil {
			c.of.idle.Remove(c.at)
			c.at = nil
		}
		c.of.changedLocked()
	}
	return err
}

// CloseWrite ends the sending side, which the server does before it closes.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
