// Command zgrelease builds what a release consists of: for each platform an archive with a static binary, manual pages,
// completion files and a list of what the binary is made of, and a file of checksums. The same source, version and Go
// build the same bytes, wherever and whenever.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "zgrelease: %v\n", err) // stderr gone: nobody to tell
		os.Exit(1)
	}
}

// defaultTargets are the platforms of a release. Windows is none of them: the locks of the data directory and the socket
// of the daemon are those of Unix.
const defaultTargets = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64"

// release is what is asked for.
type release struct {
	version, commit string
	date            time.Time // of everything in the archives
	out             string
	targets         []target
	log             io.Writer
}

type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// name is what an archive and the directory in it are called.
func (r release) name(t target) string {
	return fmt.Sprintf("zgproxy_%s_%s_%s", strings.TrimPrefix(r.version, "v"), t.os, t.arch)
}

// versions are those that can be part of a file's name and of a linker's flag.
var versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

func parse(args []string, log io.Writer) (release, error) {
	r := release{log: log}
	fs := flag.NewFlagSet("zgrelease", flag.ContinueOnError)
	fs.SetOutput(log)
	fs.StringVar(&r.version, "version", "", "the `VERSION`, such as v1.2.3")
	fs.StringVar(&r.commit, "commit", "unknown", "the `COMMIT` that it is built from")
	fs.StringVar(&r.out, "out", "dist", "the `DIRECTORY` to write to; what is in it is replaced")
	targets := fs.String("targets", defaultTargets, "`PLATFORMS` to build for")
	seconds := fs.Int64("date", 0, "the time of everything in the archives, in `SECONDS` since 1970 (SOURCE_DATE_EPOCH)")
	if err := fs.Parse(args); err != nil {
		return r, err
	}
	r.date = time.Unix(*seconds, 0).UTC()
	for word := range strings.SplitSeq(*targets, ",") {
		system, arch, ok := strings.Cut(strings.TrimSpace(word), "/")
		if !ok || system == "" || arch == "" {
			return r, fmt.Errorf("-targets: %q is not OS/ARCH", word)
		}
		r.targets = append(r.targets, target{system, arch})
	}
	switch {
	case fs.NArg() > 0:
		return r, fmt.Errorf("unknown argument %q", fs.Arg(0))
	case !versions.MatchString(r.version) || !versions.MatchString(r.commit):
		return r, errors.New("-version and -commit are needed, of letters, digits and . _ + -")
	}
	return r, nil
}

func run(ctx context.Context, args []string, log io.Writer) (err error) {
	r, err := parse(args, log)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "zgrelease-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil { //nolint:gosec // a release is for everybody
		return err
	}
	papers, err := r.papers(ctx, work)
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		if err := r.archive(ctx, work, t, papers); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return r.checksums()
}

// binary is where the program for a platform is built.
func (r release) binary(work string, t target) string { return filepath.Join(work, r.name(t)) }

// build compiles zgproxy for a platform, unless that is done already, without anything that depends on where and by
// whom it is built.
func (r release) build(ctx context.Context, t target, binary string) error {
	if _, err := os.Stat(binary); err == nil { //nolint:gosec // in a directory of our own
		return nil
	}
	r.say("building zgproxy for %s", t)
	flags := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.commit=%s -X main.date=%s",
		r.version, r.commit, r.date.Format(time.DateOnly))
	//nolint:gosec // what goes into the flags is checked
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags,
		"-o", binary, "./cmd/zgproxy")
	// Of a name that is there twice the last one counts: nothing of the caller's changes the code.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOFLAGS=", "GOWORK=off",
		"GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = r.log, r.log
	return cmd.Run()
}

func (r release) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.log, format+"\n", args...) // stderr gone: nobody to tell
}

// papers are the files that are the same on every platform, by their paths in the archive. The program writes its manual
// and its completions itself, so one is built for the machine that this runs on.
func (r release) papers(ctx context.Context, work string) (map[string][]byte, error) {
	this := target{runtime.GOOS, runtime.GOARCH}
	host := r.binary(work, this)
	if err := r.build(ctx, this, host); err != nil {
		return nil, err
	}
	papers := map[string][]byte{}
	if _, err := output(ctx, host, "man", "--dir", filepath.Join(work, "man1")); err != nil {
		return nil, err
	}
	pages, err := filepath.Glob(filepath.Join(work, "man1", "*.1"))
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		if papers["share/man/man1/"+filepath.Base(page)], err = os.ReadFile(page); err != nil { //nolint:gosec // we wrote it
			return nil, err
		}
	}
	for shell, path := range map[string]string{
		"bash": "share/bash-completion/completions/zgproxy",
		"zsh":  "share/zsh/site-functions/_zgproxy",
		"fish": "share/fish/vendor_completions.d/zgproxy.fish",
	} {
		if papers[path], err = output(ctx, host, "completion", shell); err != nil {
			return nil, err
		}
	}
	for path, from := range map[string]string{
		"README.md": "README.md", "LICENSE": "LICENSE", "share/systemd/zgproxy.service": "deploy/systemd/zgproxy.service",
	} {
		if papers[path], err = os.ReadFile(from); err != nil { //nolint:gosec // of the list above
			return nil, err
		}
	}
	return papers, nil
}

// output is what a program of ours says, in an environment without settings.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // we built it
	cmd.Env = []string{"HOME=/nonexistent", "ZGPROXY_ENV_FILE=off"}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), err)
	}
	return out, nil
}
