package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// process is one life of the daemon.
type process struct {
	cmd       *exec.Cmd
	started   time.Time
	log       *logBuffer
	listening chan struct{} // closed when it is known where, or never will be
	api       string
	admin     string
	dead      chan struct{}
}

// spawn starts the binary and returns at once.
func (c *crashes) spawn(extra ...string) *process {
	c.Helper()
	told := make(chan [2]string, 1)
	p := &process{log: &logBuffer{listening: told}, listening: make(chan struct{}), dead: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), c.binary, "serve")
	p.cmd.Env = append(append(c.variables(), transfersPerDay(c.cap)...), "HOME="+c.home)
	p.cmd.Env = append(p.cmd.Env, extra...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		c.Fatalf("start the daemon: %v", err)
	}
	c.last = p
	go func() {
		_ = p.cmd.Wait() // killed, as a rule
		close(p.dead)
	}()
	go func() {
		defer close(p.listening)
		select {
		case at := <-told:
			p.api, p.admin = strings.TrimSuffix(at[0], "/v1"), at[1]
		case <-p.dead:
		}
	}()
	return p
}

// said is the log without the lines about single requests.
func (p *process) said() string {
	var out []string
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		if !strings.Contains(line, `"message":"request"`) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	<-p.dead
}

// killAfter kills the process at a moment of its life that does not depend on what it does.
func (c *crashes) killAfter(p *process, d time.Duration) {
	moment := time.NewTimer(d)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-p.dead:
		c.Fatalf("the daemon ended by itself:\n%s", p.said())
	}
	p.kill()
	c.kills++
}

// waitDeath waits until the process has killed itself.
func (c *crashes) waitDeath(p *process, at string) {
	c.Helper()
	select {
	case <-p.dead:
		c.kills++
		if state := p.cmd.ProcessState.String(); !strings.Contains(state, "killed") {
			c.Fatalf("%s: the daemon ended with %s:\n%s", at, state, p.said())
		}
	case <-time.After(patience):
		p.kill()
		c.Fatalf("%s was never passed:\n%s", at, p.said())
	}
}

// startAndCheck restarts the daemon, notes how long that took, and checks everything.
func (c *crashes) startAndCheck(extra ...string) *process {
	c.Helper()
	c.checkCap("before the restart")
	c.allow(zg.OneOG)
	p := c.spawn(extra...)
	<-p.listening
	ready := func() error {
		code, body := c.get(p.admin + "/readyz")
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	}
	c.poll("ready", p, ready)
	c.ready = append(c.ready, time.Since(p.started))
	c.check(p)
	return p
}

// tighten lowers the cap to a little more than what was moved. A life with the lower cap signs nothing above it, and
// once its journal equals the chain nothing of an earlier one is left to be mined.
func (c *crashes) tighten() {
	c.Helper()
	c.read()
	limit := c.spent.Transfers.Add(zg.OneOG)
	p := c.startAndCheck(transfersPerDay(limit)...)
	c.read()
	c.cap = limit.Max(c.spent.Transfers)
	p.kill()
}

// poll is eventually for one process, more often.
func (c *crashes) poll(what string, p *process, f func() error) {
	c.Helper()
	if err := poll(2*time.Millisecond, patience, p.dead, f); err != nil {
		c.Fatalf("not %s: %v\n%s", what, err, p.said())
	}
}
