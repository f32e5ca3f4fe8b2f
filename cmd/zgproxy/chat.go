package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// chatFlags are the options of "zgproxy chat".
type chatFlags struct {
	connectFlags
	model, system, provider string
	files, images           []string
	maxTokens               int
	temperature             float64
	json                    bool
}

func chatCommand() *cobra.Command {
	var f chatFlags
	cmd := &cobra.Command{
		Use:     "chat [PROMPT...]",
		Aliases: []string{"ask"},
		Short:   "Talk to a model on this terminal, and see what it costs and what its answers were shown to be",
		Long: `With a PROMPT, or with a text on the standard input, it answers once: the answer alone goes to the standard
output as it comes; what it cost, and what the provider's signature showed, to the standard error.

Without one it holds a conversation. /help lists its commands; Ctrl-C stops an answer, Ctrl-D ends it.
A line that ends in \ goes on with the next. Nothing of it is kept unless you say /save.

Requests go through the running daemon, or without one through this process, which then reads the chain
and verifies as the daemon does. They are booked, and within your limits, either way. Such a process
moves money to the provider that serves you and to no other: if its sub-account is low, it is filled up to
ZGPROXY_HIGH_WATER. Each transfer and its gas is told on the standard error as it happens.`,
		Example: `  zgproxy chat
  zgproxy chat --model qwen3 Why is the sky blue?
  git diff | zgproxy chat "Write a commit message for this." > message.txt
  zgproxy chat --image photo.jpg "What is this?" --json | jq -r .answer`,
		Args: want(cobra.ArbitraryArgs),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.model, "model", "m", "", "the `MODEL`; else the only one there is")
	fl.StringVar(&f.provider, "provider", "", "only this `PROVIDER`: an address, or the id of a direct endpoint")
	fl.StringVarP(&f.system, "system", "s", "", "a system `PROMPT`")
	fl.StringArrayVarP(&f.files, "file", "f", nil, "a text `FILE` to add to the prompt; repeatable")
	fl.StringArrayVar(&f.images, "image", nil, "a picture `FILE` to add to the prompt; repeatable")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "the most `TOKENS` of an answer; 0: the model's own limit")
	fl.Float64Var(&f.temperature, "temperature", 0, "sampling `TEMPERATURE`; else the model's own")
	fl.BoolVar(&f.json, "json", false, "one JSON object instead of the stream; needs a prompt")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		c := consoleOf(cmd)
		prompt, err := f.prompt(c, args)
		if err != nil {
			return err
		}
		beside := errConsole(cmd)
		// Ctrl-C stops an answer first, so it must not end the daemon in this process.
		ctx, end := context.WithCancel(context.WithoutCancel(cmd.Context()))
		defer end()
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // a terminal that is lost must not leave a request unrecorded
		defer signal.Stop(signals)

		t := &talk{flags: &f, c: c, beside: beside, system: f.system, temperature: cmd.Flags().Changed("temperature"), signals: signals}
		opening, opened := t.stoppable(ctx)
		defer opened()
		if t.conn, err = f.connect(opening, beside); err != nil {
			return whenStopped(err, "")
		}
		defer func() { err = errors.Join(err, t.conn.close()) }()
		if t.model, err = t.pickModel(opening); err != nil {
			return whenStopped(err, "")
		}
		opened()
		if prompt == "" {
			return t.converse(ctx)
		}
		return t.once(ctx, prompt)
	})
	return cmd
}

// prompt is what is asked: the arguments, and what comes on an input that is no terminal. Empty: a conversation is wanted.
func (f *chatFlags) prompt(c console, args []string) (string, error) {
	text := strings.Join(args, " ")
	if !c.asks || text == "-" {
		more, err := io.ReadAll(io.LimitReader(c.in, 8<<20))
		if err != nil {
			return "", fmt.Errorf("read the standard input: %w", err)
		}
		if text == "-" {
			text = ""
		}
		text = strings.TrimSpace(text + "\n\n" + string(more))
		if text == "" && len(f.files)+len(f.images) == 0 {
			return "", usageError{errors.New("there is no prompt: give one, or run it on a terminal for a conversation")}
		}
	}
	for _, path := range f.files {
		more, err := os.ReadFile(path) //nolint:gosec // the owner names it
		if err != nil {
			return "", usageError{err}
		}
		text = strings.TrimSpace(text + "\n\n" + string(more))
	}
	if text == "" && f.json {
		return "", usageError{errors.New("--json needs a prompt")}
	}
	return text, nil
}

// whenStopped says what a signal ended.
func whenStopped(err error, hint string) error {
	if errors.Is(err, errStopped) {
		return problem(codeInterrupted, hint, "interrupted")
	}
	return err
}

// chatReport is the JSON of "zgproxy chat".
type chatReport struct {
	Answer       string         `json:"answer"`
	Reasoning    string         `json:"reasoning,omitempty"`
	FinishReason string         `json:"finish_reason"`
	Outcome      requestOutcome `json:"outcome"`
}

// once asks one thing.
func (t *talk) once(ctx context.Context, prompt string) error {
	user, err := t.user(prompt)
	if err != nil {
		return err
	}
	r, err := t.ask(ctx, []message{user}, !t.flags.json)
	if err != nil {
		return whenStopped(err, "What came of the answer is paid for all the same.")
	}
	if t.flags.json {
		return writeJSON(t.c.out, r)
	}
	if !strings.HasSuffix(r.Answer, "\n") {
		t.c.printf("\n")
	}
	t.tell(&r)
	return nil
}
