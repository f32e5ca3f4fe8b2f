package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// inUTF16 is a text as some editors and shells write it.
func inUTF16(text string, big bool) string {
	var out []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

// A byte order mark is not part of a key. A file in UTF-16 is named, whatever it was to hold.
func TestFilesOfEditors(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const mark = "\xef\xbb\xbf"
	s := decodeSecret(t, "@"+write(mark+"word\r\n"))
	if got := s.Reveal(); got != "word" {
		t.Errorf("a secret behind a mark: %q", got)
	}
	var keys SecretList
	if err := keys.Decode("@" + write(mark+"# mine\nsk-one\nsk-two\n")); err != nil || strings.Join(keys.Reveal(), " ") != "sk-one sk-two" {
		t.Errorf("keys behind a mark: %d, %v", keys.Len(), err)
	}
	var e EndpointList
	if err := e.Decode("id=a url=http://127.0.0.1:1/v1 models=m key=@" + write(mark+"sk-one")); err != nil || e[0].Key.Reveal() != "sk-one" {
		t.Errorf("the key of an endpoint behind a mark: %v", err)
	}
	if v, err := Written(write(mark + "ZGPROXY_PORT=7\n")); err != nil || v["ZGPROXY_PORT"] != "7" {
		t.Errorf("variables behind a mark: %v, %v", v, err)
	}
	for name, text := range map[string]string{"little": inUTF16("ZGPROXY_PORT=7", false), "big": inUTF16("ZGPROXY_PORT=7", true), "binary": "sk-\x00\x01"} {
		path := write(text)
		_, variables := Written(path)
		for what, err := range map[string]error{
			"secret": new(Secret).Decode("@" + path), "keys": new(SecretList).Decode("@" + path), "password": new(Password).Decode("@" + path),
			"endpoint": new(EndpointList).Decode("id=a url=http://127.0.0.1:1/v1 models=m key=@" + path), "variables": variables,
		} {
			if err == nil || !strings.Contains(err.Error(), "UTF-16") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// Keys are what clients can send in a header, whatever library they use.
func TestKeysArePrintable(t *testing.T) {
	for _, key := range []string{"sk-schlüssel", "sk-\u200bone", "sk-\x01", "sk-\x7f", "sk one", "\ufeffsk-one", "ключ"} {
		if err := new(SecretList).Decode("sk-two," + key); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q is taken for a key: %v", key, err)
		}
	}
	var keys SecretList
	if err := keys.Decode("sk-!#$%&'()*+-./:;<=>?@[]^_`{|}~"); err != nil || keys.Len() != 1 {
		t.Errorf("a key of punctuation: %v", err)
	}
}

// There is one data directory, wherever a command is run.
func TestDataDirIsOne(t *testing.T) {
	for given, want := range map[string]string{
		"/data": "/data", "~": "/home/somebody", "~/z": "/home/somebody/z", "$HOME/z": "/home/somebody/z", "${HOME}/z/": "/home/somebody/z",
		"data": "", "./data": "", "../data": "", "~other/z": "", "$HOMELESS/z": "", "$XDG_STATE_HOME/zgproxy": "", " /data": "",
	} {
		t.Setenv("HOME", "/home/somebody")
		got, err := dataDir(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q means %q, %v; want %q", given, got, err, want)
		}
		t.Setenv("HOME", "home")
		if got, err := dataDir(given); err == nil && got != given {
			t.Errorf("%q means %q where HOME is no path from the root on", given, got)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "home")
	if _, _, err := Load(); err == nil || !strings.Contains(err.Error(), "HOME is not a path from the root on") {
		t.Errorf("a relative HOME: %v", err)
	}
	if dir, err := Dir(); err == nil {
		t.Errorf("a relative HOME has the configuration in %s", dir)
	}
}
