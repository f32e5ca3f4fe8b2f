package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Variable string // full name, or the flag's
	Given    string // quoted, or empty when the value must not be repeated
	Text     string // what is wrong, and what is allowed
}

// String writes the problem as one line.
func (p Problem) String() string {
	if p.Given == "" {
		return p.Variable + ": " + p.Text
	}
	return p.Variable + "=" + p.Given + ": " + p.Text
}

// ProblemsError is everything that is wrong, so that it can be fixed in one go.
type ProblemsError []Problem

// Error writes one line per problem, under a heading.
func (ps ProblemsError) Error() string {
	var b strings.Builder
	if len(ps) == 1 {
		b.WriteString("1 problem in the configuration:")
	} else {
		fmt.Fprintf(&b, "%d problems in the configuration:", len(ps))
	}
	for _, p := range ps {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// join merges the problems of several steps into one error, in the order of the variables in the manual.
func join(errs ...error) error {
	var all ProblemsError
	for _, err := range errs {
		if ps, ok := errors.AsType[ProblemsError](err); ok {
			all = append(all, ps...)
		} else if err != nil {
			return errors.Join(errs...)
		}
	}
	return all.orNil()
}

func (ps ProblemsError) orNil() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return position(a.Variable) - position(b.Variable) })
	return ps
}

// position orders variables as in Config; unknown ones and flags come last.
func position(variable string) int {
	return cmp.Or(positions()[variable], len(fields())+1) - 1
}

// positions are those of the variables, from 1 on.
var positions = sync.OnceValue(func() map[string]int {
	out := make(map[string]int, len(fields()))
	for i, f := range fields() {
		out[f.variable] = i + 1
	}
	return out
})

var keyLike = regexp.MustCompile(`[0-9a-fA-F]{64}`)

// quoted shows a value in a message: bounded, escaped, and not at all if it looks like a private key that ended up in
// the wrong place.
func quoted(s string) string {
	if keyLike.MatchString(s) {
		return redacted
	}
	const most = 120
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q…", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
