package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
)

func machineChecks() []check {
	return []check{
		{
			id: "machine.configuration", run: checkConfiguration,
			means: "The `ZGPROXY_` variables can be read and do not contradict each other. WARN: they work, and are probably not meant so.",
			todo:  "Fix the variables that are named; [config.md](config.md) has all of them. What could not be read is checked with its default.",
		},
		{
			id: "machine.secrets", run: checkSecrets,
			means: "Nobody but you can read the files that hold the wallet's key, passwords and local keys.",
			todo:  "`chmod 600` the files that are named. Where a stranger may have read the key, move to a new wallet.",
		},
		{
			id: "machine.data_dir", run: checkDataDir,
			means: "The data directory is yours and can be written, or can be made. A file is made in it and removed.",
			todo:  "`chown` it to the user that runs zgproxy and `chmod 700` it, or choose another one with `ZGPROXY_DATA_DIR`.",
		},
		{
			id: "machine.disk", run: checkDisk,
			means: "There is room for the spend store: WARN below 512 MiB, FAIL below 64 MiB. When it is full, no request is served.",
			todo:  "Make room, or move the data directory to a larger disk while the daemon is stopped.",
		},
		{
			id: "machine.store", run: checkStore,
			means: "The spend store is whole and can be read, and this version knows its schema. It is only read; a very large one as far as 20 seconds go.",
			todo: "Of a newer version: use that one. Of an older one: `zgproxy serve` brings it up to date. Damaged: stop the daemon and put a backup " +
				"in its place, `zgproxy restore FILE` ([backup.md](backup.md)).",
		},
		{
			id: "machine.open_files", run: checkOpenFiles,
			means: "As many files and connections may be open as a busy daemon needs: WARN below 1024, FAIL below 256.",
			todo:  "`ulimit -n 65536`, or `LimitNOFILE=65536` in the unit of systemd.",
		},
		{
			id: "machine.instance", run: checkInstance,
			means: "At most one process uses the data directory, and it is the daemon that answers on its socket.",
			todo:  "Where the socket does not answer: run this as the daemon's user with the same `ZGPROXY_DATA_DIR` and `TMPDIR`, or restart the daemon.",
		},
		{
			id: "machine.daemon", run: checkDaemon,
			means: "The daemon, where one runs, is ready to serve requests.",
			todo:  "Do what its reason says; its log has more.",
		},
		{
			id: "machine.port", run: checkPort,
			means: "The port for callers is free, or the daemon itself listens on it.",
			todo:  "Stop the program that has it, or choose another port with `ZGPROXY_PORT`.",
		},
		{
			id: "machine.operator_port", run: checkOperatorPort,
			means: "So is the operator's.",
			todo:  "Stop the program that has it, or choose another address with `ZGPROXY_ADMIN_LISTEN`.",
		},
		{
			id: "machine.clock", run: checkClock,
			means: "The clock agrees with the RPC endpoint's and with the newest block: WARN from a minute, FAIL from an hour, when session tokens end before they are renewed.",
			todo:  "Have the clock set by NTP: `timedatectl set-ntp true`.",
		},
	}
}

func checkConfiguration(_ context.Context, d *doctor, _ *patient) finding {
	if d.cfgErr != nil {
		var all []string
		if ps, ok := errors.AsType[config.ProblemsError](d.cfgErr); ok {
			for _, p := range ps {
				all = append(all, p.String())
			}
		} else {
			all = []string{d.cfgErr.Error()}
		}
		return failed("zgproxy config --table lists every variable", strings.Join(all, "; "), "%s in the configuration", plural(len(all), "problem"))
	}
	var all []string
	for _, w := range d.cfg.Warnings() {
		if !strings.Contains(w, "chmod 600") { // the next check has those
			all = append(all, w)
		}
	}
	if len(all) > 0 {
		return warned("zgproxy config shows what is in force", strings.Join(all, "; "), "%s may be unintended", plural(len(all), "setting"))
	}
	return passed("%s, no conflicting settings", d.cfg.Network)
}

// secretFiles are the files that hold something secret, by the variable that names them. What a file of variables names in
// turn is not among them.
func (d *doctor) secretFiles() map[string]string {
	files := make(map[string]string)
	for _, name := range []string{"PRIVATE_KEY", "KEYSTORE_PASSWORD", "API_KEYS"} {
		if path, ok := strings.CutPrefix(os.Getenv(config.Prefix+name), "@"); ok {
			files[config.Prefix+name] = path
		}
	}
	if d.cfg.Keystore != "" {
		files[config.Prefix+"KEYSTORE"] = d.cfg.Keystore
	}
	if path, _ := config.EnvFile(); path != "" {
		if _, err := os.Stat(path); err == nil {
			files[config.EnvFileVariable] = path
		}
	}
	return files
}

func checkSecrets(_ context.Context, d *doctor, _ *patient) finding {
	var open, paths []string
	files := d.secretFiles()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		info, err := os.Stat(files[name])
		if err != nil {
			continue // whoever needs it says so
		}
		if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s: others can use the file %q (mode %04o)", name, files[name], mode.Perm()))
			paths = append(paths, shellWord(files[name]))
		}
	}
	for name, w := range map[string]string{"PRIVATE_KEY": d.cfg.PrivateKey.Warning(), "KEYSTORE_PASSWORD": d.cfg.KeystorePassword.Warning(), "API_KEYS": d.cfg.APIKeys.Warning()} {
		if _, seen := files[config.Prefix+name]; w != "" && !seen {
			open = append(open, config.Prefix+name+": "+w)
		}
	}
	for _, e := range d.cfg.Endpoints {
		if w := e.Key.Warning(); w != "" {
			open = append(open, config.Prefix+"ENDPOINTS: "+w)
		}
	}
	fix := "chmod 600 the files that are named"
	if len(paths) > 0 {
		fix = "chmod 600 " + strings.Join(paths, " ")
	}
	slices.Sort(open)
	switch {
	case len(open) > 0:
		return warned(fix, strings.Join(open, "; "), "%s may be used by others", plural(len(open), "secret"))
	case len(files) == 0:
		return passed("no secret is in a file")
	}
	return passed("%s with secrets, for you alone", plural(len(files), "file"))
}

func checkOpenFiles(_ context.Context, d *doctor, _ *patient) finding {
	n, err := d.limit()
	const fix, reason = "ulimit -n 65536", "Every caller and every provider takes one each."
	switch {
	case err != nil:
		return skipped("the limit is not known: %v", err)
	case n < 256:
		return failed(fix, reason, "%d files may be open", n)
	case n < 1024:
		return warned(fix, reason, "%d files may be open", n)
	case n > 1<<40:
		return passed("any number may be open")
	}
	return passed("%d may be open", n)
}

func openFiles() (uint64, error) {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return uint64(l.Cur), err //nolint:gosec,unconvert,nolintlint // its type differs between systems
}

func checkInstance(ctx context.Context, d *doctor, _ *patient) finding {
	held, by := billing.LockHolder(d.cfg.DataDir)
	client, err := admin.NewClient(d.cfg.DataDir)
	switch {
	case err == nil:
		d.daemon, d.holder = client, by
		var r accountReport
		if client.Account(ctx, false, &r) == nil {
			d.account = &r // the wallet's address, and what the book says
		}
		return passed("the daemon runs (process %s)", by)
	case held:
		d.holder = by
		return warned("If it is a command that moves money, wait. Else run this as the daemon's user, with its ZGPROXY_DATA_DIR and TMPDIR, or restart the daemon.",
			fmt.Sprintf("Its socket does not answer: %v", err), "process %s uses the data directory, and does not answer", by)
	}
	return passed("nobody else uses the data directory")
}

func checkDaemon(ctx context.Context, d *doctor, _ *patient) finding {
	switch {
	case d.daemon == nil && d.holder != "":
		return unknown("machine.daemon", "", "because the daemon's socket does not answer")
	case d.daemon == nil:
		return skipped("no daemon runs; zgproxy serve starts one")
	}
	ready, checks, err := d.daemon.Ready(ctx)
	if err != nil {
		return failed("Look at its log, or restart it.", err.Error(), "it does not say whether it is ready")
	}
	var wrong, notes []string
	for _, c := range checks {
		switch {
		case !c.OK:
			wrong = append(wrong, c.Name+": "+c.Detail)
		case c.Detail != "":
			notes = append(notes, c.Name+": "+c.Detail)
		}
	}
	switch {
	case !ready:
		return failed("Do what the reason says; its log has more.", strings.Join(append(wrong, notes...), "; "), "it is not ready to serve requests")
	case len(notes) > 0:
		return passed("it is ready; %s", strings.Join(notes, "; "))
	}
	return passed("it is ready to serve requests")
}

// shellWord is a text as a word of a command line.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:=,+@%", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
