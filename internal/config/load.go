package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/kelseyhightower/envconfig"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Source says where a value came from.
type Source string

// The sources.
const (
	SourceDefault Source = "default"
	SourceEnv     Source = "environment"
	SourceFile    Source = "file" // a secret read from the file that the variable names
	SourceEnvFile Source = "env file"
	SourceFlag    Source = "flag"    // the command line, which takes precedence over the environment
	SourceNetwork Source = "network" // follows from the chosen network
)

// Sources tells the source of every variable, by its full name.
type Sources map[string]Source

// Flags are the options of the command line that stand for a variable. Empty: not given.
type Flags struct {
	Providers  []string
	Host, Port string
}

// field is one variable, described by the tags of Config.
type field struct {
	reflect.StructField
	variable string
	index    int
}

// fields are those of Config, in its order. They are asked for at every line of a file, so they are listed once.
var fields = sync.OnceValue(func() []field {
	t := reflect.TypeFor[Config]()
	out := make([]field, t.NumField())
	for i := range out {
		out[i] = field{StructField: t.Field(i), variable: t.Field(i).Tag.Get("envconfig"), index: i}
	}
	return out
})

// allowed says in words what may be given, with an example.
func (f field) allowed() string {
	text := f.Tag.Get("allowed")
	if words := f.oneOf(); len(words) > 0 {
		return zg.OneOf(words)
	}
	return text + " (example: " + f.Tag.Get("example") + ")"
}

// oneOf are the words of which one must be given; none: it is not a choice of words.
func (f field) oneOf() []string {
	switch tag := f.Tag.Get("oneof"); tag {
	case "":
		return nil
	case "networks":
		return zg.NetworkNames()
	default:
		return strings.Split(tag, "|")
	}
}

func (f field) secret() bool {
	switch reflect.New(f.Type).Interface().(type) {
	case *Secret, *SecretList, *Password, *NodeURLs, *SignerEndpoint, *EndpointList:
		return true
	}
	return false
}

// Read is what a command wants: the environment, then the flags over it, then Check, with all problems in one error.
func Read(flags Flags) (Config, Sources, error) {
	cfg, sources, err := Load()
	err = join(err, cfg.ApplyFlags(sources, flags))
	return cfg, sources, join(err, withoutRepeats(err, cfg.Check()))
}

// withoutRepeats drops problems of variables that could not be read in the first place.
func withoutRepeats(first, then error) error {
	read, _ := errors.AsType[ProblemsError](first)
	checked, ok := errors.AsType[ProblemsError](then)
	if !ok {
		return then
	}
	checked = slices.DeleteFunc(slices.Clone(checked), func(p Problem) bool {
		return slices.ContainsFunc(read, func(q Problem) bool { return q.Variable == p.Variable })
	})
	return checked.orNil()
}

// Load reads the environment, and the file of variables for what is not set there. An empty variable counts as unset and is removed from the process's environment. The
// error is a ProblemsError with everything that could not be read, unknown ZGPROXY_ variables included; the fields concerned
// then hold their defaults. Settings may still conflict: that is for Check.
func Load() (Config, Sources, error) {
	problems := unknown(os.Environ())
	file, more := readEnvFile()
	return load(file, append(problems, more...))
}

// FromText is Read for a text of variables instead of the file: the environment takes precedence over it there too.
func FromText(text string) (Config, Sources, error) {
	values, problems := parseEnvFile([]byte(text))
	cfg, sources, err := load(envFile{values: values}, problems)
	return cfg, sources, join(err, withoutRepeats(err, cfg.Check()))
}

func load(file envFile, problems ProblemsError) (Config, Sources, error) {
	var cfg Config
	sources := Sources{}
	v := reflect.ValueOf(&cfg).Elem()
	for _, f := range fields() {
		given, set := os.LookupEnv(f.variable)
		if set && given == "" {
			set = false
			if err := os.Unsetenv(f.variable); err != nil {
				problems = append(problems, Problem{Variable: f.variable, Text: "cannot be unset: " + err.Error()})
			}
		}
		sources[f.variable] = SourceDefault
		if set {
			sources[f.variable] = SourceEnv
		}
		process := process
		if value, listed := file.values[f.variable]; listed && !set {
			given, sources[f.variable] = value, SourceEnvFile
			process = processAs(value)
		}
		// One field at a time, because envconfig stops at the first error.
		if err := process(f, v.Field(f.index)); err != nil {
			problems = append(problems, f.problem(given, err))
			sources[f.variable] = SourceDefault
			v.Field(f.index).Set(f.defaultValue())
		}
	}
	cfg.PrivateKey.warn(file.warning)
	cfg.KeystorePassword.warn(file.warning)
	for variable, fromFile := range map[string]bool{
		Prefix + "PRIVATE_KEY":       cfg.PrivateKey.FromFile(),
		Prefix + "KEYSTORE_PASSWORD": cfg.KeystorePassword.FromFile(),
		Prefix + "API_KEYS":          cfg.APIKeys.FromFile(),
	} {
		if fromFile {
			sources[variable] = SourceFile
		}
	}
	// The simulated network has no reorganisations of its own, and few blocks.
	for variable, set := range map[string]func(){
		Prefix + "ALLOW_PRIVATE_PROVIDERS": func() { cfg.AllowPrivate = true },
		Prefix + "CONFIRMATIONS":           func() { cfg.Confirmations = 1 },
	} {
		if zg.Simulated(cfg.Network) && sources[variable] == SourceDefault {
			set()
			sources[variable] = SourceNetwork
		}
	}
	dir, err := dataDir(cfg.DataDir)
	if err != nil {
		problems = append(problems, Problem{Variable: Prefix + "DATA_DIR", Text: err.Error()})
	}
	cfg.DataDir = dir
	return cfg, sources, problems.orNil()
}

// process lets envconfig fill one field, by way of a struct that has that field only.
func process(f field, into reflect.Value) error {
	one := reflect.New(reflect.StructOf([]reflect.StructField{{Name: f.Name, Type: f.Type, Tag: f.Tag}}))
	err := envconfig.Process("", one.Interface())
	if err != nil {
		return err
	}
	into.Set(one.Elem().Field(0))
	return nil
}

// defaultValue is the value of the field when its variable is not set.
func (f field) defaultValue() reflect.Value {
	nameless := f
	// A name nobody can set: it holds a character that separates names from values.
	nameless.Tag = reflect.StructTag(fmt.Sprintf(`envconfig:"=" default:%q`, f.Tag.Get("default")))
	v := reflect.New(f.Type).Elem()
	if err := process(nameless, v); err != nil {
		panic("config: the default of " + f.variable + " cannot be read: " + err.Error())
	}
	return v
}

func (f field) problem(given string, err error) Problem {
	p := Problem{Variable: f.variable, Text: "wanted: " + f.allowed()}
	if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
		_, plain := errors.AsType[valueError](parse.Err)
		// Errors of strconv repeat the value and speak of syntax; ours say something.
		if plain || f.secret() || reflect.PointerTo(f.Type).Implements(reflect.TypeFor[envconfig.Decoder]()) {
			p.Text = parse.Err.Error() + "; " + p.Text
		}
	}
	if !f.secret() {
		p.Given = quoted(given)
	}
	return p
}

// ApplyFlags puts the flags that were given over the environment. Its error is a ProblemsError that names the flags.
func (c *Config) ApplyFlags(sources Sources, flags Flags) error {
	var problems ProblemsError
	if flags.Host != "" {
		c.Host = flags.Host
		sources[Prefix+"HOST"] = SourceFlag
	}
	if flags.Port != "" {
		if port, err := parsePort(flags.Port); err != nil {
			problems = append(problems, Problem{Variable: "--port", Given: quoted(flags.Port), Text: err.Error()})
		} else {
			c.Port = port
			sources[Prefix+"PORT"] = SourceFlag
		}
	}
	if len(flags.Providers) > 0 {
		var list AddressList
		if err := list.Decode(strings.Join(flags.Providers, ",")); err != nil {
			problems = append(problems, Problem{Variable: "--provider", Given: quoted(strings.Join(flags.Providers, ",")), Text: err.Error()})
		} else {
			c.Providers = list
			sources[Prefix+"PROVIDERS"] = SourceFlag
		}
	}
	return problems.orNil()
}

// FillNetwork supplies what the chosen network stands for, wherever the operator set nothing.
func (c *Config) FillNetwork(sources Sources) error {
	n, ok := zg.NetworkNamed(c.Network)
	if !ok { // Check has said so
		return fmt.Errorf("ZGPROXY_NETWORK: %q is not a known network", c.Network)
	}
	if len(c.RPCURL.Reveal()) == 0 {
		if err := c.RPCURL.Decode(n.RPCURL); err != nil {
			return fmt.Errorf("rpc endpoint of network %s: %w", c.Network, err)
		}
		sources[Prefix+"RPC_URL"] = SourceNetwork
	}
	if c.ChainID == 0 {
		c.ChainID = n.ChainID
		sources[Prefix+"CHAIN_ID"] = SourceNetwork
	}
	if c.LedgerContract == (Address{}) {
		c.LedgerContract = Address{n.Ledger}
		sources[Prefix+"LEDGER_CONTRACT"] = SourceNetwork
	}
	if c.InferenceContract == (Address{}) {
		c.InferenceContract = Address{n.Inference}
		sources[Prefix+"INFERENCE_CONTRACT"] = SourceNetwork
	}
	return nil
}

// defaultDataDir is the place for state that should outlive restarts but is not configuration.
func defaultDataDir() (string, error) {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "zgproxy"), nil
	}
	home, err := homeDir()
	if err != nil {
		return "", valueError(err.Error() + ", so the directory has to be given (example: /var/lib/zgproxy)")
	}
	return filepath.Join(home, ".local", "state", "zgproxy"), nil
}

// dataDir is the directory that was given, or the default. There is one set of books in it: a path that means another place in
// another working directory, or that only a shell would have expanded, must not make a second one. The home directory is put
// in where it is meant.
func dataDir(given string) (string, error) {
	if given == "" {
		return defaultDataDir()
	}
	for _, word := range []string{"~", "$HOME", "${HOME}"} {
		rest, ok := strings.CutPrefix(given, word)
		if !ok || rest != "" && rest[0] != filepath.Separator {
			continue
		}
		home, err := homeDir()
		if err != nil {
			return "", valueError(err.Error() + ", so " + word + " means nothing here")
		}
		return filepath.Join(home, rest), nil
	}
	if !filepath.IsAbs(given) {
		return "", valueError(quoted(given) + " is not a path from the root on: from another working directory it would be another directory, with another record of what was spent")
	}
	return given, nil
}

// homeDir is the user's, from the root on.
func homeDir() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", valueError("there is no home directory")
	}
	if !filepath.IsAbs(home) {
		return "", valueError("HOME is not a path from the root on")
	}
	return home, nil
}

// replaced are the variables that once were, and what stands for them now.
var replaced = map[string]string{Prefix + "MAX_TOPUP_PER_DAY": Prefix + "BUDGET_TRANSFERS_DAY"}

// unknown lists the ZGPROXY_ variables that mean nothing, which are nearly always typing errors. Their values are not
// repeated: a misspelt PRIVATE_KEY is one of them. (envconfig.CheckDisallowed would name the first only.)
func unknown(environ []string) ProblemsError {
	var problems ProblemsError
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix) || value == "" || name == EnvFileVariable || position(name) < len(fields()) {
			continue
		}
		if now, ok := replaced[name]; ok {
			problems = append(problems, Problem{Variable: name, Text: "there is no such variable any more; use " + now + " instead"})
			continue
		}
		text := "there is no such variable"
		if s := suggestion(name); s != "" {
			text += "; did you mean " + s + "?"
		}
		if strings.Contains(name, "_TCP") || strings.HasPrefix(name, Prefix+"SERVICE_") {
			text += "; it looks like one that Kubernetes makes for a service called zgproxy: set enableServiceLinks to false for the pod"
		}
		problems = append(problems, Problem{Variable: name, Text: text})
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Variable, b.Variable) })
	return problems
}

// longestVariable is far longer than any variable is: what is longer is like none of them.
const longestVariable = 100

// suggestion finds the variable that was probably meant, if one is near enough.
func suggestion(name string) string {
	if len(name) > longestVariable {
		return ""
	}
	best, found := "", len(strings.TrimPrefix(name, Prefix))/3+2
	for _, f := range fields() {
		if d := distance(name, f.variable); d < found {
			best, found = f.variable, d
		}
	}
	return best
}

// distance counts the insertions, deletions and substitutions between two names, not counting underscores.
func distance(a, b string) int {
	a, b = strings.ReplaceAll(a, "_", ""), strings.ReplaceAll(b, "_", "")
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
