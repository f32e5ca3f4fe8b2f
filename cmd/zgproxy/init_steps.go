package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// How the set-up asks: every answer is checked, and every step can be taken again.

// errBack is what somebody answers who wants to change an earlier answer.
var errBack = errors.New("back")

const backWord = "back"

// steps asks everything. Nothing is lost by a bad answer, or by a second thought: a step whose answers do not work is begun
// again, and "back" leads to its first question, or from there to the step before.
func (s *setup) steps(ctx context.Context, official officialImport) error {
	steps := []func(context.Context, officialImport) error{
		s.chooseNetwork, s.chooseWallet, s.chooseProviders, s.chooseLimits, s.chooseCallers, s.confirm,
	}
	if !s.flags.yes {
		s.c.printf("%s\n\n", s.c.paint(styleDim, `"back" is an answer to every question that shows what you type; Ctrl-C ends it, and nothing is written.`))
	}
	before := make([]setup, len(steps))
	for i := 0; i < len(steps); {
		s.answered = 0
		before[i] = *s
		before[i].env = slices.Clip(s.env)
		before[i].report.Warnings = slices.Clip(s.report.Warnings)
		before[i].report.Providers = slices.Clip(s.report.Providers)
		err := steps[i](ctx, official)
		if err == nil {
			i++
			continue
		}
		answered := s.answered
		switch {
		case errors.Is(err, errBack):
			if answered == 0 && i > 0 {
				i--
			}
		case answered > 0 && ctx.Err() == nil && isWrongAnswer(err):
			s.c.printf("%s\n", s.c.paint(styleWarn, "  "+errorText(err)))
		default:
			return err
		}
		*s = before[i]
		s.c.printf("\n")
	}
	return nil
}

// isWrongAnswer reports whether another answer may help.
func isWrongAnswer(err error) bool {
	if errors.As(err, &flagError{}) {
		return false
	}
	switch explain(err).Code {
	case codeUsage, codeExists:
		return true
	}
	return false
}

// flagError is what is wrong with an answer that a flag gave: nobody can answer it otherwise.
type flagError struct{ error }

func (e flagError) Unwrap() error { return e.error }

// ask asks until the answer can be used. With --yes, or by an empty answer, it is the proposal. given was answered by a flag.
func (s *setup) ask(ctx context.Context, question, proposal, given string, check func(string) error) (string, error) {
	if given != "" || s.flags.yes {
		answer := given
		if answer == "" {
			answer = proposal
		}
		if err := check(answer); err != nil {
			return "", flagError{usageError{fmt.Errorf("%s: %w", strings.TrimRight(question, "? :"), err)}}
		}
		return answer, nil
	}
	if proposal != "" {
		question += " [" + proposal + "]"
	}
	for {
		behind := ": "
		if strings.HasSuffix(question, "/n]") || strings.HasSuffix(question, "/N]") {
			behind = " "
		}
		answer, err := s.c.line(ctx, sprintf("%s%s", question, behind))
		if err != nil {
			return "", err
		}
		if answer = strings.TrimSpace(answer); answer == backWord {
			return "", errBack
		}
		if answer == "" {
			answer = proposal
		}
		if err = check(answer); err == nil {
			s.answered++
			return answer, nil
		}
		s.c.printf("%s\n", s.c.paint(styleWarn, "  "+err.Error()))
	}
}

// choose asks for one of several, by its number.
func (s *setup) choose(ctx context.Context, question string, options ...string) (int, error) {
	s.c.printf("%s\n", s.c.paint(styleHead, question))
	for i, o := range options {
		s.c.printf("  %d  %s\n", i+1, o)
	}
	answer, err := s.ask(ctx, fmt.Sprintf("Choose 1-%d", len(options)), "1", "", func(a string) error {
		if n, err := strconv.Atoi(a); err != nil || n < 1 || n > len(options) {
			return fmt.Errorf("a number from 1 to %d", len(options))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.c.printf("\n")
	return strconv.Atoi(answer)
}

// isYesOrNo takes an empty answer for the one that is proposed.
func isYesOrNo(answer string) error {
	switch strings.ToLower(answer) {
	case "", "n", "no":
		return nil
	}
	if saysYes(answer) {
		return nil
	}
	return errors.New("yes or no")
}
