package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// NodeURLs are the URLs of the chain's endpoints, in the order in which they are asked. Each prints as an Endpoint
// does.
type NodeURLs struct{ list []Endpoint }

// Decode reads http and https URLs, separated by commas. The same one twice is refused: it would be two witnesses of
// which neither knows more than the other.
func (n *NodeURLs) Decode(s string) error {
	var list []Endpoint
	seen := map[string]bool{}
	several := strings.Contains(s, ",")
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		which := ""
		if several {
			which = fmt.Sprintf("number %d is ", len(list)+1)
		}
		u, err := url.Parse(part)
		if err == nil && (strings.EqualFold(u.Scheme, "ws") || strings.EqualFold(u.Scheme, "wss")) {
			const text = "the URL of a websocket, which is not used; give the http or https URL of the same endpoint"
			return valueError(which + text)
		}
		var e Endpoint
		if err := e.Decode(part); err != nil {
			return valueError(which + err.Error())
		}
		same := strings.ToLower(u.Scheme+"://"+u.Host) + strings.TrimRight(u.Path, "/") + "?" + u.RawQuery
		same += "@" + u.User.String()
		if seen[same] {
			return valueError(fmt.Sprintf("number %d is there twice", len(list)+1))
		}
		seen[same] = true
		list = append(list, e)
	}
	if len(list) == 0 {
		return valueError("not an http or https URL")
	}
	n.list = list
	return nil
}

// Reveal gives the whole URLs.
func (n NodeURLs) Reveal() []string {
	var out []string
	for _, e := range n.list {
		out = append(out, e.Reveal())
	}
	return out
}

// Each gives the endpoints one by one, for whoever prints them.
func (n NodeURLs) Each() []Endpoint { return slices.Clone(n.list) }

// String writes what may be printed of each.
func (n NodeURLs) String() string {
	var out []string
	for _, e := range n.list {
		out = append(out, e.String())
	}
	return strings.Join(out, ",")
}

// Format makes every verb of fmt print what String gives.
func (n NodeURLs) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, n.String()) } // fmt keeps its own errors

// MarshalText writes what String writes.
func (n NodeURLs) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
