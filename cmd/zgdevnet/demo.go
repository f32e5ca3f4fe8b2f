package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// demonstration is a daemon in front of the network, and the conversation held with it.
type demonstration struct {
	binary string // the zgproxy to run, as the caller wrote it
	model  string
	place  place
	out    io.Writer
}

// say tells the terminal. If that is closed, a signal ends the demo.
func (d demonstration) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format, args...) }

// run starts the daemon, has one completion streamed through it, says what it cost and what was verified, and keeps
// both running until ctx ends. The daemon's log outlives it.
func (d demonstration) run(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, d.place.clear())
		d.say("The log of zgproxy stays in %s\n", d.place.log())
	}()
	daemonCtx, stop := context.WithCancel(ctx)
	exited, err := d.start(daemonCtx)
	defer func() { // before its files go
		stop()
		if exited != nil {
			for range exited { // until it has ended
			}
		}
	}()
	if err != nil {
		return err
	}
	d.say("\nStarting zgproxy in front of it ...\n")
	if err := d.waitReady(ctx, exited); err != nil {
		if ctx.Err() != nil { // ended before it had begun
			return <-exited
		}
		tail, _ := os.ReadFile(d.place.log()) // if it is gone the error stands alone
		return fmt.Errorf("%w\n%s", err, tail)
	}
	d.say("zgproxy is ready on %s/v1\n\n", d.place.api())
	switch err := d.talk(ctx); {
	case err == nil:
		d.say("%s", d.next(os.Environ()))
	case ctx.Err() == nil:
		return err
	}
	select {
	case <-ctx.Done():
		d.say("\nStopping ...\n")
		if err := <-exited; err != nil {
			return fmt.Errorf("zgproxy did not stop cleanly: %w", err)
		}
		return nil
	case err := <-exited:
		return fmt.Errorf("zgproxy ended on its own: %w; its log is %s", errors.Join(err, errEnded), d.place.log())
	}
}

var errEnded = errors.New("nobody asked it to")

// start runs the daemon. What is received is how it ended; nil if it ended as it was asked to, and every
// time after the first.
func (d demonstration) start(ctx context.Context) (<-chan error, error) {
	logFile, err := os.Create(d.place.log())
	if err != nil {
		return nil, fmt.Errorf("create the log of zgproxy: %w", err)
	}
	//nolint:gosec // the caller names it
	cmd := exec.CommandContext(ctx, d.binary, "serve", "--env-file", d.place.envFile())
	cmd.Env = withoutOurs(os.Environ())
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// Ctrl-C goes to every process in the terminal's group. zgproxy is not in it, so that it gets one signal only: a
	// second would end it at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", d.binary, err), logFile.Close())
	}
	exited := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if cmd.ProcessState.Success() {
			err = nil // Wait reports that ctx has ended, even if the daemon then ended well
		}
		exited <- errors.Join(err, logFile.Close())
		close(exited)
	}()
	return exited, nil
}

// waitReady polls /readyz until it says so, the daemon ends, or a minute has passed.
func (d demonstration) waitReady(ctx context.Context, exited <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := request(ctx, http.MethodGet, d.place.admin()+"/readyz", nil); err == nil {
			_ = resp.Body.Close() // only the status matters
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("zgproxy did not become ready: %w", ctx.Err())
		case err := <-exited:
			return fmt.Errorf("zgproxy ended before it was ready: %w", errors.Join(err, errEnded))
		case <-tick.C:
		}
	}
}
