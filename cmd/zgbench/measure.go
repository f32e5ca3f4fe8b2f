package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// startDaemon runs zgproxy with everything on: store committing, metrics, access log, signature checks.
func startDaemon(ctx context.Context, binary, data string, env []string) (*process, error) {
	api, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(api)
	if err != nil {
		return nil, err
	}
	logFile, err := os.Create(data + ".log") //nolint:gosec // in the folder made for this run
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "serve", "--port", port) //nolint:gosec // built above
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(data), "ZGPROXY_DATA_DIR=" + data, "ZGPROXY_ADMIN_LISTEN=" + admin}, env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, addr: api, admin: admin, log: logFile}
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if _, err := fetch(ctx, "http://"+admin+"/readyz"); err == nil {
			return p, nil
		}
		if time.Now().After(deadline) {
			text, readErr := os.ReadFile(logFile.Name())
			p.stop()
			return nil, errors.Join(fmt.Errorf("zgproxy did not become ready; its log:\n%s", text), readErr)
		}
	}
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

// mallocs is the number of heap objects the process has allocated so far.
func (p *process) mallocs(ctx context.Context) float64 {
	text, err := fetch(ctx, "http://"+p.admin+"/bench/mallocs")
	if err != nil {
		if text, err = fetch(ctx, "http://"+p.admin+"/metrics"); err != nil {
			return 0
		}
		_, text, _ = strings.Cut(text, "\ngo_memstats_mallocs_total ")
		text, _, _ = strings.Cut(text, "\n")
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 0
	}
	return n
}

// cpu is the processor time the process has used so far; the kernel counts in steps of 10 ms.
func (p *process) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	var ticks int64
	for _, s := range f[11:13] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// rest waits until the process has nothing left to do: signatures that are still to be checked would count against whoever
// is measured next.
func (p *process) rest(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for before := p.cpu(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := p.cpu()
		if now-before <= 10*time.Millisecond {
			return
		}
		before = now
	}
}

// memory is the resident memory now and at its highest, in KiB.
func (p *process) memory() (now, peak int64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	defer f.Close() //nolint:errcheck // read-only
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		switch {
		case err != nil:
		case fields[0] == "VmRSS:":
			now = n
		case fields[0] == "VmHWM:":
			peak = n
		}
	}
	return now, peak
}

// scenario is a load and who takes it.
type scenario struct {
	load    load
	targets []target
}

type target struct {
	name string
	proc *process
	body []byte // overrides the load's
}

const benchPath = "/v1/chat/completions"

// The two targets that differ by the store only.
const (
	withStore    = "zgproxy"
	withoutStore = "zgproxy, no store"
)

func scenarios(direct, bareProxy, daemon, storeless *process) []scenario {
	body := func(model string, stream bool) []byte {
		b := fmt.Appendf(nil, `{"model":"%s","stream":%t,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"`, model, stream)
		return append(append(b, strings.Repeat("y", 1024-len(b)-4)...), `"}]}`...)
	}
	targets := func(stream bool) []target {
		return []target{
			{"direct", direct, body("plain-1", stream)},
			{"ReverseProxy", bareProxy, body("plain-1", stream)},
			{withoutStore, storeless, body("plain-1", stream)},
			{withStore, daemon, body("plain-1", stream)},
			{"zgproxy, verifying", daemon, body("signed-1", stream)},
		}
	}
	return []scenario{
		{load{name: "JSON 1 KiB, 1 connection", concurrency: 1, wantSuffix: []byte("}}")}, targets(false)},
		{load{name: "JSON 1 KiB, 8 connections", concurrency: 8, wantSuffix: []byte("}}")}, targets(false)},
		{load{name: "SSE 200 chunks, 8 connections", concurrency: 8, wantSuffix: []byte("data: [DONE]\n\n")}, targets(true)},
	}
}

// row is what is reported of one target in one scenario: medians over the rounds.
type row struct {
	Target    string  `json:"target"`
	PerSecond float64 `json:"per_second"`
	Ratio     float64 `json:"ratio_to_reverseproxy"` // median of the ratios within each round
	P50Micros float64 `json:"p50_us"`
	P99Micros float64 `json:"p99_us"`
	FirstByte float64 `json:"first_byte_p50_us"`
	CPUMicros float64 `json:"cpu_us_per_request"`
	Allocs    float64 `json:"allocs_per_request"`
	Errors    int     `json:"errors"`
}

type table struct {
	Scenario string `json:"scenario"`
	Rows     []row  `json:"rows"`
	// StoreShare is what recording requests takes of the throughput: 1 − with the store/without, in percent, the median over
	// the rounds.
	StoreShare float64 `json:"store_share_percent"`
}

type report struct {
	Tables  []table `json:"tables"`
	Cut     cuts    `json:"instant_streams"`
	RSSKiB  int64   `json:"rss_kib_after"`
	PeakKiB int64   `json:"rss_kib_peak"`
}

type cuts struct {
	Sent   int    `json:"sent"`
	Failed int    `json:"failed"`
	First  string `json:"first_error,omitempty"`
}

func runScenarios(ctx context.Context, list []scenario, rounds int, each time.Duration) report {
	var rep report
	for _, sc := range list {
		progress("%s", sc.load.name)
		results := make([][]result, len(sc.targets))
		for round := range rounds + 1 { // the first one warms up and is not counted
			for k := range sc.targets {
				i := k
				if round%2 == 1 { // to and fro, so that no target always comes after the same one
					i = len(sc.targets) - 1 - k
				}
				t := sc.targets[i]
				l := sc.load
				l.body = t.body
				cpu, mallocs := t.proc.cpu(), t.proc.mallocs(ctx)
				r := run(ctx, t.proc.addr, benchPath, l, each, 0)
				if n := float64(r.requests); n > 0 {
					r.cpuMicros = float64((t.proc.cpu() - cpu).Microseconds()) / n
					r.allocs = (t.proc.mallocs(ctx) - mallocs) / n
				}
				if round > 0 {
					results[i] = append(results[i], r)
				}
				t.proc.rest(ctx)
			}
		}
		tb := table{Scenario: sc.load.name}
		for i, t := range sc.targets {
			rs := results[i]
			var ratios []float64
			errs := 0
			for k := range rs {
				ratios = append(ratios, rs[k].perSecond()/results[1][k].perSecond())
				errs += rs[k].errors
				if rs[k].firstError != nil {
					progress("%s: %v", t.name, rs[k].firstError)
				}
			}
			micros := func(f func(result) time.Duration) float64 {
				return median(rs, func(r result) float64 { return float64(f(r).Nanoseconds()) / 1000 })
			}
			tb.Rows = append(tb.Rows, row{
				Target: t.name, PerSecond: median(rs, result.perSecond), Ratio: medianOf(ratios), Errors: errs,
				P50Micros: micros(func(r result) time.Duration { return r.p50 }), P99Micros: micros(func(r result) time.Duration { return r.p99 }),
				FirstByte: micros(func(r result) time.Duration { return r.first50 }),
				CPUMicros: median(rs, func(r result) float64 { return r.cpuMicros }), Allocs: median(rs, func(r result) float64 { return r.allocs }),
			})
		}
		tb.StoreShare = storeShare(sc.targets, results)
		rep.Tables = append(rep.Tables, tb)
	}
	return rep
}

// storeShare compares the two targets that differ by the store, round by round.
func storeShare(targets []target, results [][]result) float64 {
	named := func(name string) []result {
		return results[slices.IndexFunc(targets, func(t target) bool { return t.name == name })]
	}
	with, without := named(withStore), named(withoutStore)
	var shares []float64
	for k := range with {
		shares = append(shares, 100*(1-with[k].perSecond()/without[k].perSecond()))
	}
	return medianOf(shares)
}

func countCuts(ctx context.Context, daemon *process, n int) cuts {
	sc := scenarios(nil, nil, daemon, nil)[2]
	sc.load.body = sc.targets[0].body // all but the verifying one ask for the same
	r := run(ctx, daemon.addr, benchPath, sc.load, 0, n)
	c := cuts{Sent: r.requests + r.errors, Failed: r.errors}
	if r.firstError != nil {
		c.First = r.firstError.Error()
	}
	return c
}

func median[T any](list []T, f func(T) float64) float64 {
	var v []float64
	for _, x := range list {
		v = append(v, f(x))
	}
	return medianOf(v)
}

func medianOf(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func (r report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, t := range r.Tables {
		if _, err := fmt.Fprintf(w, "\n%s\t\t\t\t\t\t\t\t\t\n\treq/s\tvs ReverseProxy\tp50 µs\tp99 µs\tfirst byte µs\tCPU µs/req\tallocs/req\terrors\t\n", t.Scenario); err != nil {
			return err
		}
		for _, x := range t.Rows {
			if _, err := fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t\n",
				x.Target, x.PerSecond, x.Ratio, x.P50Micros, x.P99Micros, x.FirstByte, x.CPUMicros, x.Allocs, x.Errors); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "\nthe store's share of the throughput (goal: below 10 %):"); err != nil {
		return err
	}
	for _, t := range r.Tables {
		if _, err := fmt.Fprintf(out, "  %-30s %5.1f %%\n", t.Scenario, t.StoreShare); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\ninstantly answered streams: %d sent, %d cut %s\nzgproxy resident memory: %.1f MB after the run, %.1f MB at most\n",
		r.Cut.Sent, r.Cut.Failed, r.Cut.First, float64(r.RSSKiB)/1024, float64(r.PeakKiB)/1024)
	return err
}
