package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEndpointList(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("sk-very-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var l EndpointList
	if err := l.Decode("id=local url=http://127.0.0.1:8000/v1/ models=a|b/c ; id=other url=https://llm.example.com models=d priority=5 key=@" + key); err != nil {
		t.Fatal(err)
	}
	if len(l) != 2 || l[0].URL != "http://127.0.0.1:8000/v1" || strings.Join(l[0].Models, " ") != "a b/c" || l[1].Priority != 5 || l[1].Key.Reveal() != "sk-very-secret" {
		t.Fatalf("read %+v", l)
	}
	for _, text := range []string{l.String(), fmt.Sprint(l), fmt.Sprintf("%+v %#v", l, l)} {
		if strings.Contains(text, "very-secret") {
			t.Errorf("the key is printed: %s", text)
		}
	}
	for name, text := range map[string]string{
		"no id": "url=http://h models=a", "no url": "id=a models=a", "no models": "id=a url=http://h models=|", "key in the open": "id=a url=http://h models=a key=sk-1",
		"no such file": "id=a url=http://h models=a key=@/does/not/exist", "twice": "id=a url=http://h models=a; id=a url=http://i models=b", "odd word": "id=a url=http://h models=a prio=1",
		"user in the URL": "id=a url=http://u:p@h models=a", "scheme": "id=a url=ftp://h models=a", "odd id": "id=A/b url=http://h models=a", "priority": "id=a url=http://h models=a priority=first",
		"port": "id=a url=http://h:99999 models=a", "port 0": "id=a url=http://h:0/v1 models=a", "no port": "id=a url=http://h: models=a", "port of an IPv6 address": "id=a url=http://[::1]:70000 models=a",
		"words separated by commas": "id=a,url=http://h,models=a", "commas behind the URL": "id=a url=http://h/v1,models=a", "models separated by commas": "id=a url=http://h models=a,b",
		"no semicolon": "id=a url=http://h models=a id=b url=http://i models=b",
	} {
		if err := new(EndpointList).Decode(text); err == nil {
			t.Errorf("%s: %q was taken", name, text)
		}
	}
}

// People write the host alone, or copy one operation's whole URL.
func TestEndpointURLIsTheBase(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:8000":                      "http://127.0.0.1:8000/v1",
		"http://[::1]:8000/":                         "http://[::1]:8000/v1",
		"https://h/v1//":                             "https://h/v1",
		"https://h/v1/chat/completions":              "https://h/v1",
		"https://api.perplexity.ai/chat/completions": "https://api.perplexity.ai",
		"https://h/openai/v1/models/":                "https://h/openai/v1",
		"https://h/api/v3":                           "https://h/api/v3",
		"https://h:443/v1beta/openai":                "https://h:443/v1beta/openai",
	} {
		var l EndpointList
		if err := l.Decode("id=a models=m url=" + given); err != nil || l[0].URL != want {
			t.Errorf("%s: %v, %v; want %s", given, l, err, want)
		}
	}
}

func TestNameMap(t *testing.T) {
	var m NameMap
	if err := m.Decode(" gpt-4o = qwen/qwen3 , fast=0xabc/llama"); err != nil || m["gpt-4o"] != "qwen/qwen3" || m["fast"] != "0xabc/llama" {
		t.Fatalf("read %v, %v", m, err)
	}
	if got := m.String(); got != "fast=0xabc/llama,gpt-4o=qwen/qwen3" {
		t.Errorf("String() = %s", got)
	}
	for _, text := range []string{"a", "a=", "=b", "a=b,a=c"} {
		if err := new(NameMap).Decode(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
