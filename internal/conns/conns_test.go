package conns

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// long is how long a test waits for what is sure to come, so that a failure says what did not.
const long = 3 * time.Minute

// serve runs a server on a listener that has so many connections at most. Requests for /slow wait until slow is closed.
func serve(t *testing.T, most int, slow <-chan struct{}) (l *Listener, refused *int) {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused = new(int)
	l = Limit(in, most, func() { *refused++ })
	answers := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush() // it has begun
			<-slow
		}
		_, _ = io.WriteString(w, "ok")
	}
	srv := &http.Server{ConnState: l.State, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(answers)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if n := l.Open(); n != 0 {
			t.Errorf("%d connections still count", n)
		}
	})
	return l, refused
}

// idle waits until so many connections are known to be idle: a server says so only after its answer has been read.
func idle(t *testing.T, l *Listener, want int) {
	t.Helper()
	for end := time.Now().Add(long); ; {
		l.mu.Lock()
		n := l.idle.Len()
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		if n == want {
			return
		}
		select {
		case <-change:
		case <-time.After(time.Until(end)):
			t.Fatalf("%d connections are idle, want %d", n, want)
		}
	}
}

// ask sends a request on a connection of its own and returns that with the answer's status.
func ask(t *testing.T, l net.Listener, path string) (net.Conn, string) {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(long)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return c, err.Error()
	}
	if path != "/slow" {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return c, resp.Status + " " + resp.Header.Get("Retry-After")
}

// Connections that nobody uses make room for new ones; where all are used, the new one is told so, and gets in when one
// ends.
func TestLimit(t *testing.T) {
	slow := make(chan struct{})
	l, refused := serve(t, 3, slow)
	first, status := ask(t, l, "/")
	if status != "200 OK " {
		t.Fatal(status)
	}
	idle(t, l, 1)
	for i := range 5 { // each takes the place of the one that has been idle for longest
		if _, status = ask(t, l, "/"); status != "200 OK " {
			t.Fatal(status)
		}
		idle(t, l, min(i+2, 3))
	}
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the first connection: %v, want it closed", err)
	}
	var busy net.Conn
	for range 3 {
		if busy, status = ask(t, l, "/slow"); status != "200 OK " {
			t.Fatal(status)
		}
	}
	if _, status = ask(t, l, "/"); status != "503 Service Unavailable 1" || *refused != 1 {
		t.Errorf("while all are used: %q, %d refused; want a 503 with the time to come back", status, *refused)
	}
	if n := l.Open(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	_ = busy.Close()
	close(slow)
	idle(t, l, 2)
	if _, status = ask(t, l, "/"); status != "200 OK " {
		t.Errorf("when one has ended: %q", status)
	}
}

// Connections out are bounded for all transports together: idle ones are given up first, and who finds no room is told
// so as by a system that has no descriptors.
func TestOut(t *testing.T) {
	slow := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			<-slow
		}
	}))
	defer up.Close()
	defer close(slow)
	out := NewOut(2)
	one := out.Bound(&http.Transport{DialContext: new(net.Dialer).DialContext})
	two := out.Bound(&http.Transport{DialContext: new(net.Dialer).DialContext})
	defer one.CloseIdleConnections()
	defer two.CloseIdleConnections()
	get := func(tr *http.Transport, path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, up.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return tr.RoundTrip(req)
	}
	for i, tr := range []*http.Transport{one, two, one, two} {
		resp, err := get(tr, "/")
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	for _, tr := range []*http.Transport{two, two} { // the first one's idle connection is in the way of the second
		resp, err := get(tr, "/slow")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	_, err := get(one, "/")
	if op := (*net.OpError)(nil); !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("%v, want a failure to connect for want of descriptors", err)
	}
	if n := out.Open(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestOutWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := NewOut(1)
		here, there := net.Pipe()
		defer func() { _ = there.Close() }()
		tr := out.Bound(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return here, nil
		}})
		c, err := tr.DialContext(t.Context(), "tcp", "x")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := tr.DialContext(t.Context(), "tcp", "x"); !errors.Is(err, syscall.EMFILE) || time.Since(began) != outWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { _ = c.Close(); _ = c.Close() }) // twice is once
		if _, err = tr.DialContext(t.Context(), "tcp", "x"); err != nil || out.Open() != 1 {
			t.Errorf("%v, %d open", err, out.Open())
		}
		tr.DialContext = nil
		failing := out.Bound(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, io.ErrUnexpectedEOF
		}})
		out.leave()
		if _, err := failing.DialContext(t.Context(), "tcp", "x"); !errors.Is(err, io.ErrUnexpectedEOF) || out.Open() != 0 {
			t.Errorf("%v, %d open", err, out.Open())
		}
	})
}

// exhausted is a listener that has no descriptors but what its reserve gives up.
type exhausted struct {
	net.Listener
	most int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.most <= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	l.most--
	here, there := net.Pipe()
	_ = there.Close()
	return here, nil
}

func TestReserve(t *testing.T) {
	r, err := NewReserve(2)
	if err != nil {
		t.Fatal(err)
	}
	in := &exhausted{}
	l := r.For(in)
	if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) || r.Left() != 0 {
		t.Errorf("with nothing to be had: %v, %d left", err, r.Left())
	}
	in.most = 1
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _ = c.Close(); r.Left() != 2 {
		t.Errorf("%d are set aside when the connection has ended, want 2", r.Left())
	}
	if err := r.Close(); err != nil || r.Left() != 0 {
		t.Errorf("closed: %v, %d left", err, r.Left())
	}
	if err := r.refill(); err != nil || r.Left() != 0 {
		t.Errorf("after it was closed: %v, %d left", err, r.Left())
	}
}

// The reserve is real: with all other descriptors used up, the operator gets in.
func TestReserveOfAProcess(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	r, err := NewReserve(2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	caller, err := net.Dial("tcp", in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close() }()
	tight := limit
	tight.Cur = 3 // nothing can be opened any more
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight); err != nil {
		t.Skipf("descriptors cannot be limited here: %v", err)
	}
	_, without := in.Accept()
	highest := 0
	for _, f := range r.spare {
		highest = max(highest, int(f.Fd()))
	}
	tight.Cur = uint64(highest + 1) // but what the reserve gives up, where all below is used
	var fill []*os.File
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight); err == nil {
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			fill = append(fill, f)
		}
	}
	c, with := r.For(in).Accept()
	for _, f := range fill {
		_ = f.Close()
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(without, syscall.EMFILE) {
		t.Errorf("without a reserve: %v", without)
	}
	if with != nil {
		t.Fatalf("with a reserve: %v", with)
	}
	_ = c.Close()
	if r.Left() != 2 {
		t.Errorf("%d are set aside again, want 2", r.Left())
	}
}

func TestShares(t *testing.T) {
	for _, tc := range []struct {
		files        uint64
		callers, out int
	}{
		{0, 4, 4},
		{64, 8, 8},
		{256, 104, 104},
		{1024, 488, 488},
		{65_536, mostConns, mostConns},
		{1 << 62, mostConns, mostConns},
	} {
		if callers, out := Shares(tc.files); callers != tc.callers || out != tc.out {
			t.Errorf("of %d: %d and %d, want %d and %d", tc.files, callers, out, tc.callers, tc.out)
		}
	}
	if !strings.Contains(refusal, "\r\n\r\n"+refusalBody) {
		t.Error("the refusal is not whole")
	}
}
