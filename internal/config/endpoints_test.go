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
	} {
		if err := new(EndpointList).Decode(text); err == nil {
			t.Errorf("%s: %q was taken", name, text)
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
