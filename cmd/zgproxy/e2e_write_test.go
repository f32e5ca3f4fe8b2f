//go:build e2e

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// page is docs/compatibility.md.
func page(all []played, versions map[string]string) []byte {
	var b bytes.Buffer
	var names []string
	results := make(map[[3]string]*played)
	count, same := 0, 0
	for i := range all {
		o := &all[i]
		if !slices.Contains(names, o.Scenario) {
			names = append(names, o.Scenario)
		}
		results[[3]string{o.Client, o.Target, o.Scenario}] = o
		if o.Target == viaDaemon && o.OK {
			count++
		}
	}
	cell := func(client, scenario string) string {
		o, bare := results[[3]string{client, viaDaemon, scenario}], results[[3]string{client, bareProvider, scenario}]
		switch {
		case o == nil:
			return "–"
		case !o.OK:
			return "**fails**"
		case bare == nil || !bare.OK:
			return "pass"
		case !o.Same:
			return "pass, bare"
		}
		same++
		return "pass, same"
	}
	var table bytes.Buffer
	table.WriteString("| scenario |")
	for _, c := range pageClients {
		fmt.Fprintf(&table, " %s |", c.name)
	}
	table.WriteString("\n| --- |" + strings.Repeat(" --- |", len(pageClients)) + "\n")
	for _, name := range names {
		fmt.Fprintf(&table, "| %s |", name)
		for _, c := range pageClients {
			fmt.Fprintf(&table, " %s |", cell(c.file, name))
		}
		table.WriteString("\n")
	}

	b.WriteString("# Compatibility\n\nUnmodified clients against zgproxy on a devnet. `make e2e UPDATE=-update` writes this page.\n")
	fmt.Fprintf(&b, "%d scenarios pass through the daemon; in %d of them all answers are the bare provider's, byte for byte.\n\n", count, same)
	b.WriteString("| client | versions |\n| --- | --- |\n")
	for _, c := range pageClients {
		var vs []string
		for _, p := range c.packages {
			vs = append(vs, p+" "+versions[p])
		}
		fmt.Fprintf(&b, "| %s | %s |\n", c.name, strings.Join(vs, ", "))
	}
	fmt.Fprintf(&b, "\nnpm packages ran on Node %s.\n\n", versions["node"])
	b.WriteString(pageHowTo)
	b.WriteString("## Scenarios\n\n* *pass, same*: and against the bare provider, with the same bytes in every answer, but for ids and times.\n" +
		"* *pass, bare*: and against the bare provider, whose answers are not compared: it answers in other words, not at all, or as below.\n" +
		"* *pass*: through the daemon only, which serves what providers do not: keys, the list of models, its own headers and errors.\n* –: not a thing of this client.\n\n")
	b.Write(table.Bytes())
	b.WriteString("\n## What differs from a bare provider\n\n")
	for _, d := range documented {
		fmt.Fprintf(&b, "* %s\n", d.what)
	}
	b.WriteString("\nScenarios whose answers are not compared:\n\n")
	var told []string
	for _, name := range names {
		for _, o := range all {
			if line := fmt.Sprintf("* %s: %s.\n", name, o.Differs); o.Scenario == name && o.Differs != "" && !slices.Contains(told, line) {
				told = append(told, line)
			}
		}
	}
	b.WriteString(strings.Join(told, ""))
	return b.Bytes()
}

const pageHowTo = `## How to run them

` + "`make e2e`" + ` fetches the clients with npm, at the versions that cmd/zgproxy/testdata/e2e/package.json names, and needs Node and
curl. It starts a devnet with a provider of each kind and a daemon in front of it, has each client play its scenarios against the
daemon, and again against the bare providers with session tokens of the same wallet. ` + "`make e2e ARGS='-clients curl -only stream'`" + `
runs some of them. Those of openai-go run with ` + "`go test ./cmd/zgproxy`" + ` too.

To point a client of your own at zgproxy, give it the base URL ` + "`http://localhost:3000/v1`" + ` (Anthropic's: without ` + "`/v1`" + `), any API key
(one of ZGPROXY_API_KEYS where those are set), and the name of a model from ` + "`GET /v1/models`" + `.

`
