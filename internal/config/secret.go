package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/zgproxy/zgproxy/internal/private"
)

const (
	redacted      = "[redacted]"
	maxSecretFile = 1 << 20 // bytes; a key or a list of keys is far smaller
)

// Secret is a text that must not be printed: a private key or a password. Every way of formatting or encoding it gives
// "[redacted]", or nothing while it is not set.
//
// The text sits behind a function, because fmt calls no methods on unexported fields, and follows pointers: of a Secret
// inside somebody's private struct it then shows an address and not the text.
type Secret struct{ held func() held }

type held struct {
	text    string
	path    string // of the file it was read from, if any
	warning string
}

// Decode takes the text as it is, or reads it from a file when it begins with "@". One trailing line end is cut off.
func (s *Secret) Decode(text string) error {
	h, err := hold(text)
	if err != nil {
		return err
	}
	s.held = func() held { return h }
	return nil
}

func hold(text string) (held, error) {
	path, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return held{text: text}, nil
	}
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return held{}, fileProblem(path, err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	h, err := read(f, path, fmt.Sprintf("the file %.200q", path))
	h.warning = private.Warning(path)
	return h, err
}

// read reads a secret from what is named so, without one line end behind it.
func read(from io.Reader, path, name string) (held, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxSecretFile+1))
	if err != nil {
		return held{}, fileProblem(path, err)
	}
	if len(data) > maxSecretFile {
		return held{}, valueError(fmt.Sprintf("%s is larger than %d bytes", name, maxSecretFile))
	}
	if data, err = plainFile(data, name); err != nil {
		return held{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return held{}, valueError(name + " is empty")
	}
	return held{path: path, text: text}, nil
}

// fileProblem says why a file could not be read, without repeating more than its path.
func fileProblem(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("cannot read the file %.200q: %w", path, err)
}

// Reveal gives the text. Hand it to the one place that needs it and keep no copy.
func (s Secret) Reveal() string {
	if s.held == nil {
		return ""
	}
	return s.held().text
}

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s.held != nil && s.held().text != "" }

// FromFile reports whether the text was read from a file.
func (s Secret) FromFile() bool { return s.held != nil && s.held().path != "" }

// Warning says what is unsafe about the way the secret is kept; empty: nothing.
func (s Secret) Warning() string {
	if s.held == nil {
		return ""
	}
	return s.held().warning
}

// String gives "[redacted]", or "" while nothing is set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format makes every verb of fmt print what String gives.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // fmt keeps its own errors

// MarshalText gives what String gives. It also covers JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Password is a Secret that may also come from a file descriptor: "fd:3".
type Password struct{ Secret }

// descriptors keeps what was read from a descriptor, which gives it only once.
var descriptors sync.Map // of func() (held, error), by number

// Decode takes the text as it is, reads it from a file when it begins with "@", or from a descriptor when it is "fd:" and a
// number. One trailing line end is cut off.
func (p *Password) Decode(text string) error {
	number, isFD := strings.CutPrefix(text, "fd:")
	if !isFD {
		return p.Secret.Decode(text)
	}
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return valueError("behind fd: there is no number of a file descriptor")
	}
	read, _ := descriptors.LoadOrStore(fd, sync.OnceValues(func() (held, error) { return holdDescriptor(uintptr(fd)) }))
	h, err := read.(func() (held, error))()
	if err != nil {
		return err
	}
	p.held = func() held { return h }
	return nil
}

func holdDescriptor(fd uintptr) (held, error) {
	name := fmt.Sprintf("fd:%d", fd)
	f := os.NewFile(fd, name)
	if f == nil {
		return held{}, valueError("there is no file descriptor of this number")
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	return read(f, name, "what came from the file descriptor")
}

// warn adds what is unsafe about the way a secret is kept.
func (s *Secret) warn(text string) {
	if text == "" || s.held == nil || s.held().path != "" {
		return // where it is kept has been looked at
	}
	h := s.held()
	h.warning = text
	s.held = func() held { return h }
}

// SecretList is a set of secrets, such as the local keys: separated by commas, or one per line in a file.
type SecretList struct{ held func() heldList }

type heldList struct {
	texts []string
	file  bool
	warn  string
}

// Decode reads the list, from a file when the text begins with "@". Blank lines and lines that begin with "#" in a file
// are skipped.
func (l *SecretList) Decode(text string) error {
	h, err := hold(text)
	if err != nil {
		return err
	}
	list := heldList{file: h.path != "", warn: h.warning}
	sep := ","
	if list.file {
		sep = "\n"
	}
	for part := range strings.SplitSeq(h.text, sep) {
		part = strings.TrimSpace(part)
		if part == "" || (list.file && strings.HasPrefix(part, "#")) {
			continue
		}
		if problem := callersKey(part); problem != "" {
			return valueError(problem)
		}
		list.texts = append(list.texts, part)
	}
	if len(list.texts) == 0 {
		return valueError("there is no key in it")
	}
	l.held = func() heldList { return list }
	return nil
}

// Reveal gives a copy of the texts.
func (l SecretList) Reveal() []string {
	if l.held == nil {
		return nil
	}
	return append([]string(nil), l.held().texts...)
}

// Len is the number of secrets.
func (l SecretList) Len() int {
	if l.held == nil {
		return 0
	}
	return len(l.held().texts)
}

// FromFile reports whether the list was read from a file.
func (l SecretList) FromFile() bool { return l.held != nil && l.held().file }

// Warning says what is unsafe about the way the list is kept; empty: nothing.
func (l SecretList) Warning() string {
	if l.held == nil {
		return ""
	}
	return l.held().warn
}

// String tells how many there are and nothing else.
func (l SecretList) String() string {
	switch n := l.Len(); n {
	case 0:
		return ""
	case 1:
		return redacted
	default:
		return fmt.Sprintf("%s (%d of them)", redacted, n)
	}
}

// Format makes every verb of fmt print what String gives.
func (l SecretList) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) } // fmt keeps its own errors

// MarshalText gives what String gives. It also covers JSON.
func (l SecretList) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
