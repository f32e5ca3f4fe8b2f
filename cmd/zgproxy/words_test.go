package main

import (
	"os"
	"strings"
	"testing"
)

// What a command of 0g-compute-cli is said to be called here is there, and is what docs/migrating.md says.
func TestOfficialWords(t *testing.T) {
	page, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(page), "\n")
	for word, is := range officialWords {
		found, rest, err := rootCommand().Find(strings.Fields(is))
		if err != nil || !found.Runnable() {
			t.Errorf("%s: %q is no command: %v", word, is, err)
			continue
		}
		name := strings.TrimPrefix(found.CommandPath(), "zgproxy ")
		for _, arg := range rest {
			if !strings.HasPrefix(arg, "-") && strings.ToUpper(arg) != arg {
				t.Errorf("%s: %q is left over of %q", word, arg, is)
			}
		}
		told := false
		for _, row := range rows {
			cells := strings.Split(row, "|")
			named := len(cells) > 2 && (strings.Contains(cells[1], "`"+word+"`") || strings.Contains(cells[1], "`inference "+word+"`"))
			told = told || named && strings.Contains(cells[2], "`"+name)
		}
		if !told {
			t.Errorf("docs/migrating.md does not say that %s is zgproxy %s", word, name)
		}
	}
}
