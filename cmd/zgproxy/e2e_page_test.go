package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	scenarioDir = "testdata/e2e"
	pagePath    = "../../docs/compatibility.md"
	goClient    = "go"
)

// pageClient is a column of docs/compatibility.md.
type pageClient struct {
	file     string // of the scenarios, without its ending
	name     string
	packages []string // whose versions are told
}

var pageClients = []pageClient{
	{"openai", "openai (npm)", []string{"openai"}},
	{goClient, "openai-go", []string{"openai-go"}},
	{"anthropic", "@anthropic-ai/sdk", []string{"@anthropic-ai/sdk"}},
	{"vercel", "Vercel AI", []string{"ai", "@ai-sdk/openai-compatible"}},
	{"langchain", "LangChain", []string{"langchain", "@langchain/core", "@langchain/openai"}},
	{"curl", "curl", []string{"curl"}},
}

var scenarioName = regexp.MustCompile(`(?m)^scenario\("([^"]+)"`)

// TestCompatibilityPage checks that docs/compatibility.md was written after the latest scenario.
func TestCompatibilityPage(t *testing.T) {
	text, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for column, c := range pageClients {
		var names []string
		if c.file == goClient {
			for _, sc := range goScenarios {
				names = append(names, sc.name)
			}
		} else {
			file, err := os.ReadFile(filepath.Join(scenarioDir, c.file+".mjs"))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range scenarioName.FindAllSubmatch(file, -1) {
				names = append(names, string(m[1]))
			}
		}
		if len(names) == 0 {
			t.Errorf("no scenarios of %s", c.name)
		}
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] {
				t.Errorf("%s has two scenarios named %q", c.name, name)
			}
			seen[name] = true
			n++
			row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(name) + ` \|(.*)\|$`).FindSubmatch(text)
			if row == nil {
				t.Errorf("the page does not name %q of %s: make e2e UPDATE=-update", name, c.name)
				continue
			}
			if cells := strings.Split(string(row[1]), "|"); len(cells) != len(pageClients) || !strings.Contains(cells[column], "pass") {
				t.Errorf("the page says of %q of %s: %s", name, c.name, row[1])
			}
		}
	}
	if n < 60 {
		t.Errorf("%d scenarios, want at least 60", n)
	}
}
