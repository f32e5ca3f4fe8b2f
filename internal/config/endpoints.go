package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DirectEndpoint is an OpenAI-compatible service of the owner's own: not on the network, not paid by zgproxy, not verified.
type DirectEndpoint struct {
	ID       string
	URL      string // base URL, without a trailing slash
	Key      Secret // empty: it wants none
	Models   []string
	Priority int // place among the providers, the lowest first
}

// EndpointList is a set of direct endpoints.
type EndpointList []DirectEndpoint

var endpointID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

// Decode reads endpoints separated by semicolons, each as words of the form name=value: id, url and models (separated by |)
// are needed, key=@ and the path of a file, and priority are not.
func (l *EndpointList) Decode(s string) error {
	var out EndpointList
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		e, err := parseEndpoint(part)
		if err != nil {
			return err
		}
		if seen[e.ID] {
			return valueError(fmt.Sprintf("there are two endpoints with the id %s", e.ID))
		}
		seen[e.ID] = true
		out = append(out, e)
	}
	*l = out
	return nil
}

// operations are the ends of URLs that people copy from a service's documentation: clients add them to the base.
var operations = []string{
	"/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models", "/images/generations", "/images/edits",
	"/audio/transcriptions", "/audio/speech",
}

// baseURL reads the base of an endpoint's API, without a slash at its end. Where only the host is given it is the /v1 that
// nearly all have; where one operation's whole URL is given, it is what comes before the operation.
func baseURL(value string) (string, error) {
	u, err := url.Parse(value)
	switch {
	case strings.Contains(value, ","):
		return "", valueError("url has a comma in it: name=value words are separated by blanks")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return "", valueError("url is not an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", valueError("url is not an http or https URL without user, query and fragment")
	}
	if _, port, found := strings.Cut(strings.TrimPrefix(u.Host, "["+u.Hostname()+"]"), ":"); found {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", valueError("the port in url is not a number from 1 to 65535")
		}
	}
	base := strings.TrimRight(value, "/")
	for _, op := range operations {
		if short, is := strings.CutSuffix(base, op); is {
			return strings.TrimRight(short, "/"), nil
		}
	}
	if strings.Trim(u.Path, "/") == "" {
		base += "/v1"
	}
	return base, nil
}

func parseEndpoint(text string) (DirectEndpoint, error) {
	var e DirectEndpoint
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		if seen[name] {
			return e, valueError(fmt.Sprintf("%.100s= is there twice: endpoints are separated by semicolons, models by |", name))
		}
		seen[name] = true
		switch name {
		case "id":
			if strings.Contains(value, ",") {
				return e, valueError("id has a comma in it: name=value words are separated by blanks, endpoints by semicolons")
			}
			if e.ID = value; !endpointID.MatchString(value) {
				return e, valueError("an id has up to 40 of the characters a-z, 0-9, dot, dash and underscore")
			}
		case "url":
			var err error
			if e.URL, err = baseURL(value); err != nil {
				return e, err
			}
		case "key":
			if !strings.HasPrefix(value, "@") {
				return e, valueError("key is @ and the path of a file that holds the key, so that the key is not in the environment")
			}
			if err := e.Key.Decode(value); err != nil {
				return e, err
			}
			if problem := callersKey(e.Key.Reveal()); problem != "" {
				return e, valueError(problem)
			}
		case "models":
			if strings.Contains(value, ",") {
				return e, valueError("models has a comma in it: models are separated by |")
			}
			for m := range strings.SplitSeq(value, "|") {
				if m != "" {
					e.Models = append(e.Models, m)
				}
			}
		case "priority":
			n, err := strconv.ParseInt(value, 10, 16)
			if err != nil {
				return e, valueError("priority is a whole number; below 0: before all providers")
			}
			e.Priority = int(n)
		default:
			return e, valueError("an endpoint has id, url, key, models and priority, each written name=value, and nothing else")
		}
	}
	if e.ID == "" || e.URL == "" || len(e.Models) == 0 {
		return e, valueError("an endpoint needs id=, url= and models=")
	}
	return e, nil
}

// String writes the endpoints without their keys.
func (l EndpointList) String() string {
	text := make([]string, len(l))
	for i, e := range l {
		text[i] = fmt.Sprintf("id=%s url=%s models=%s", e.ID, e.URL, strings.Join(e.Models, "|"))
		if e.Key.IsSet() {
			text[i] += " key=" + redacted
		}
		if e.Priority != 0 {
			text[i] += " priority=" + strconv.Itoa(e.Priority)
		}
	}
	return strings.Join(text, "; ")
}

// MarshalText writes what String writes.
func (l EndpointList) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// NameMap gives further names to things.
type NameMap map[string]string

// Decode reads name=value pairs separated by commas.
func (m *NameMap) Decode(s string) error {
	out := NameMap{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return valueError(fmt.Sprintf("%.100q is not of the form name=model", part))
		}
		if _, again := out[name]; again {
			return valueError(fmt.Sprintf("the name %.100q stands for two models", name))
		}
		out[name] = value
	}
	*m = out
	return nil
}

// String writes the pairs, sorted.
func (m NameMap) String() string {
	var text []string
	for name, value := range m {
		text = append(text, name+"="+value)
	}
	slices.Sort(text)
	return strings.Join(text, ",")
}

// MarshalText writes what String writes.
func (m NameMap) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
