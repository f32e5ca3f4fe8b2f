package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/zgproxy/zgproxy/internal/private"
)

// EnvFileVariable names the file of variables, or Off.
const EnvFileVariable = Prefix + "ENV_FILE"

const (
	// maxEnvFile bounds the file; a full one has some kilobytes.
	maxEnvFile = 1 << 20
	// maxLineProblems is how many lines are found fault with. A file with more is another file than was meant.
	maxLineProblems = 50
)

// envFile is a file of variables.
type envFile struct {
	values  map[string]string
	warning string // who else can read it
}

// Dir is where the file of variables and a keystore are, unless the owner says otherwise.
func Dir() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "zgproxy"), nil
	}
	home, err := homeDir()
	if err != nil {
		return "", fmt.Errorf("there is no place to keep the configuration in: %w", err)
	}
	return filepath.Join(home, ".config", "zgproxy"), nil
}

// EnvFile is the path of the file of variables that is read, and whether the owner has named it. Empty: none.
func EnvFile() (path string, named bool) {
	switch given := os.Getenv(EnvFileVariable); given {
	case Off:
		return "", true
	case "":
		dir, err := Dir()
		if err != nil { // as in a container: then there is none
			return "", false
		}
		return filepath.Join(dir, "env"), false
	default:
		return given, true
	}
}

// readEnvFile reads the file of variables. Its problems name lines, and no value.
func readEnvFile() (envFile, ProblemsError) {
	path, named := EnvFile()
	if path == "" {
		return envFile{}, nil
	}
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if errors.Is(err, fs.ErrNotExist) && !named {
		return envFile{}, nil
	}
	if err != nil {
		return envFile{}, ProblemsError{{Variable: EnvFileVariable, Text: fileProblem(path, err).Error()}}
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	values, problems, err := readValues(f)
	if err != nil {
		return envFile{}, ProblemsError{{Variable: EnvFileVariable, Text: fileProblem(path, err).Error()}}
	}
	for i := range problems {
		problems[i].Variable = path + ":" + problems[i].Variable
	}
	return envFile{values, private.Warning(path)}, problems
}

func readValues(from io.Reader) (map[string]string, ProblemsError, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxEnvFile+1))
	if err == nil && len(text) > maxEnvFile {
		err = valueError("it is too large")
	}
	if err == nil {
		text, err = plainFile(text, "it")
	}
	if err != nil {
		return nil, nil, err
	}
	values, problems := parseEnvFile(text)
	return values, problems, nil
}

// Written is what a file of variables says, as far as it can be understood: for whoever is about to replace it. Secrets are
// among the values.
func Written(path string) (map[string]string, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, fileProblem(path, err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	values, _, err := readValues(f)
	return values, err
}

// parseEnvFile reads lines of the form NAME=value, as env files of Docker and systemd have them: blank lines and those that
// begin with # or ; are skipped, blanks around name and value are not part of them, and neither is a pair of quotes around the
// value. Nothing is expanded. The problems are named by their lines.
func parseEnvFile(text []byte) (map[string]string, ProblemsError) {
	values := map[string]string{}
	var problems ProblemsError
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxEnvFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		told := len(problems) < maxLineProblems
		bad := func(format string, args ...any) {
			if told {
				problems = append(problems, Problem{Variable: fmt.Sprint(n), Text: fmt.Sprintf(format, args...)})
			}
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		switch {
		case !ok:
			bad("a line is NAME=value, or begins with #")
		case !strings.HasPrefix(name, Prefix) || name == EnvFileVariable:
			bad("only variables of the configuration, which begin with %s, belong here", Prefix)
		case position(name) == len(fields()):
			if told {
				bad("%s", noSuchVariable(name))
			}
		default:
			if _, twice := values[name]; twice {
				bad("%s is here twice", name)
			}
			if value != "" {
				values[name] = value
			}
		}
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, Problem{Variable: "0", Text: err.Error()})
	}
	return values, problems
}

func noSuchVariable(name string) string {
	problem := "there is no such variable as " + quoted(name)
	if s := suggestion(name); s != "" {
		problem += "; did you mean " + s + "?"
	}
	return problem
}

// processAs is process for a value that is not in the environment. It is there as long as it takes.
func processAs(value string) func(field, reflect.Value) error {
	return func(f field, into reflect.Value) (err error) {
		if err := os.Setenv(f.variable, value); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Unsetenv(f.variable)) }()
		return process(f, into)
	}
}
