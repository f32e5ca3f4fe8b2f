//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// pages is a web server with pages of an origin, which has names below .example in the browser.
type pages struct {
	*httptest.Server
	ran atomic.Int64 // scripts that have called home
}

func newPages(t *testing.T) *pages {
	t.Helper()
	p := &pages{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ran" {
			p.ran.Add(1)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>a page</title><body></body>")) // the browser left
	}))
	t.Cleanup(p.Close)
	return p
}

// origin is that of the server under a name.
func (p *pages) origin(name string) string {
	return "http://" + name + p.URL[strings.LastIndex(p.URL, ":"):]
}

// naked is what zgproxy must not be: it passes on what a provider sends with the type that it says, to whoever asks.
type naked struct {
	*httptest.Server
	fetched, chats atomic.Int64
}

func newNaked(t *testing.T, kind, body string) *naked {
	t.Helper()
	n := &naked{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			n.chats.Add(1)
		case strings.HasPrefix(r.URL.Path, "/v1/images/"):
			n.fetched.Add(1)
			if kind != "" {
				w.Header().Set("Content-Type", kind)
			}
			_, _ = w.Write([]byte(body)) // the browser left
		}
	}))
	t.Cleanup(n.Close)
	return n
}

// bought is how many answers and other work the providers did, and fetched how much of it was fetched.
func (w *world) bought() (answers, fetched int) {
	for _, p := range w.net.Providers {
		answers += len(p.Exchanges())
		fetched += p.Fetches()
	}
	return answers, fetched
}

// What a provider sends never runs as zgproxy's page, and no foreign page makes calls: in a real browser. Each attack works
// on a server without protection, so that a browser that stops it by itself does not pass for the daemon.
func TestBrowser(t *testing.T) {
	c := newChromium(t)
	w := newWorld(t, devnet.Config{AllKinds: true})
	strange, friendly := newPages(t), newPages(t)
	friend := friendly.origin("friend.example")
	w.env = append(w.env, "ZGPROXY_ALLOWED_ORIGINS="+friend)
	d := w.inProcess()
	painter := w.provider("picture-1")
	madeUp := "/v1/images/" + painter.Address().Hex() + "/made-up/0"
	home := strange.origin("strange.example") + "/ran"

	// The script of a page that a provider made: it marks the page, buys five answers and calls home.
	script := fmt.Sprintf(`document.documentElement.setAttribute("data-ran", "yes");
		(async () => {
			for (let i = 0; i < 5; i++) await fetch("/v1/chat/completions", {method: "POST", headers: {"Content-Type": "application/json"},
				body: '{"model":"lorem-1","messages":[{"role":"user","content":"lorem:1"}]}'});
			await fetch(%q, {mode: "no-cors"});
		})();`, home)
	html := "<!doctype html><html><body><script>" + script + "</script></body></html>"
	inXML := "<script>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(script) + "</script>"
	svg := `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">` + inXML + "</svg>"
	xhtml := `<html xmlns="http://www.w3.org/1999/xhtml"><body>` + inXML + "</body></html>"
	ran := func(b *tab) (yes bool) {
		b.Helper()
		b.do(`document.documentElement.getAttribute("data-ran") === "yes"`, &yes)
		return yes
	}

	for _, made := range []struct{ kind, body string }{
		{"text/html", html},
		{"image/svg+xml", svg},
		{"application/xhtml+xml", xhtml},
		{"", html},
		{"text/xml", xhtml},
		{"image/png", html},
		{"text/plain", html},
	} {
		t.Run("typed "+made.kind, func(t *testing.T) {
			tab := c.newTab()
			if made.kind != "image/png" && made.kind != "text/plain" { // the attack, where nothing stands against it
				bare := newNaked(t, made.kind, made.body)
				before := strange.ran.Load()
				if !tab.open(bare.URL+madeUp) || !ran(tab) {
					t.Fatal("this does not even run without protection")
				}
				w.eventually("run", func() error {
					if n := bare.chats.Load(); n != 5 || strange.ran.Load() == before {
						return fmt.Errorf("%d calls", n)
					}
					return nil
				})
			}
			painter.SetFault(simprovider.Fault{Kind: simprovider.Fetched, Raw: &simprovider.RawAnswer{
				ContentType: made.kind, Pieces: [][]byte{[]byte(made.body)},
			}})
			defer painter.SetFault(simprovider.Fault{})
			before, beforeFetched := w.bought()
			calls := strange.ran.Load()
			tab = c.newTab()
			if shown := tab.open(d.api + madeUp); ran(tab) {
				t.Errorf("the provider's script runs (a page: %v)", shown)
			}
			answers, fetched := w.bought()
			if fetched == beforeFetched {
				t.Error("the provider was not asked, so that this shows nothing")
			}
			if answers != before || strange.ran.Load() != calls {
				t.Errorf("%d answers were bought, %d scripts called home", answers-before, strange.ran.Load()-calls)
			}
		})
	}

	attack, err := os.ReadFile("testdata/browser/attack.js")
	if err != nil {
		t.Fatal(err)
	}
	picture := w.painted(d.api)
	attackOn := func(b *tab, api, operator, picture string) (seen []string) {
		b.Helper()
		told, err := json.Marshal(map[string]string{
			"api": api, "operator": operator, "picture": picture, "film": api + "/v1/videos/video_1/content",
		})
		if err != nil {
			t.Fatal(err)
		}
		b.do("("+strings.TrimSpace(string(attack[strings.Index(string(attack), "async"):]))+")("+string(told)+")", &seen)
		return seen
	}
	t.Run("a foreign page", func(t *testing.T) {
		for _, name := range []string{"strange.example", "localhost", "127.0.0.1"} { // another site, and another port of this machine
			tab := c.newTab()
			tab.open(strange.origin(name))
			bare := newNaked(t, "image/gif", "GIF89a, or what passes for one")
			attackOn(tab, bare.URL, bare.URL, bare.URL+"/v1/images/x")
			if fetched, chats := bare.fetched.Load(), bare.chats.Load(); fetched < 20 || chats < 2 {
				t.Fatalf("%s: %d pictures and %d calls where nothing stands against it", name, fetched, chats)
			}
			before, beforeFetched := w.bought()
			tab = c.newTab()
			tab.open(strange.origin(name))
			for _, how := range attackOn(tab, d.api, d.admin, picture) {
				if !strings.HasSuffix(how, ": failed") && !strings.HasSuffix(how, ": opaque") && how != "beacon: queued" {
					t.Errorf("%s: %s", name, how)
				}
			}
			tab.follow(picture)
			if text := tab.text(); !strings.Contains(text, "cross_origin") {
				t.Errorf("%s: a link shows %.200s", name, text)
			}
			tab.open(strange.origin(name))
			tab.follow(d.admin + "/v1/status")
			if text := tab.text(); !strings.Contains(text, "not accepted") {
				t.Errorf("%s: a link to the operator's side shows %.200s", name, text)
			}
			if answers, fetched := w.bought(); answers != before || fetched != beforeFetched {
				t.Errorf("%s: %d answers were bought and %d things fetched", name, answers-before, fetched-beforeFetched)
			}
		}
	})
	t.Run("a name that leads here", func(t *testing.T) {
		tab := c.newTab()
		for _, at := range []string{d.api + "/v1/models", d.admin + "/v1/status"} {
			tab.open(strings.Replace(at, "127.0.0.1", "rebound.example", 1))
			if text := tab.text(); !strings.Contains(text, "Host name") || strings.Contains(text, "0x") {
				t.Errorf("%s shows %.200s", at, text)
			}
		}
	})
	t.Run("an allowed page", func(t *testing.T) {
		tab := c.newTab()
		tab.open(friend)
		var got struct {
			Status int
			ID     string
			Width  int
			Models int
		}
		tab.do(fmt.Sprintf(`(async (api, picture) => {
			const chat = await fetch(api + "/v1/chat/completions", {method: "POST",
				headers: {"Content-Type": "application/json", Authorization: "Bearer any"},
				body: JSON.stringify({model: "lorem-1", messages: [{role: "user", content: "lorem:1"}]})});
			const img = new Image();
			await new Promise((done, failed) => {
				img.onload = done;
				img.onerror = () => failed(new Error("the picture does not load"));
				img.src = picture;
			});
			const models = await (await fetch(api + "/v1/models")).json();
			return {status: chat.status, id: chat.headers.get("X-Request-Id"), width: img.naturalWidth, models: models.data.length};
		})(%q, %q)`, d.api, picture), &got)
		if got.Status != http.StatusOK || got.ID == "" || got.Width == 0 || got.Models == 0 {
			t.Errorf("got %+v, want an answer, its header, a picture and models", got)
		}
		tab.follow(picture)
		var kind string
		if tab.do("document.contentType", &kind); kind != "image/png" {
			t.Errorf("a link to a picture shows %s: %.200s", kind, tab.text())
		}
	})
	t.Run("by the owner", func(t *testing.T) {
		tab := c.newTab()
		for at, want := range map[string]string{
			picture: "image/png", d.api + "/v1/models": "application/json", d.api + "/": "text/plain",
			d.admin + "/": "text/plain", d.admin + "/metrics": "text/plain", d.admin + "/v1/status": "application/json",
		} {
			var seen struct {
				Kind, Origin string
				Width        int
			}
			tab.open(at)
			tab.do("({kind: document.contentType, origin: self.origin, width: document.images[0]?.naturalWidth ?? 0})", &seen)
			if seen.Kind != want || seen.Origin != "null" || (want == "image/png" && seen.Width == 0) {
				t.Errorf("%s is shown as %+v, want %s in a sandbox", at, seen, want)
			}
		}
	})
}

// painted has a picture made and returns its URL.
func (w *world) painted(api string) string {
	w.Helper()
	const body = `{"model":"picture-1","prompt":"the sea","response_format":"url"}`
	a := w.ask(w.T, http.MethodPost, api+"/v1/images/generations", "application/json", body)
	var doc struct{ Data []struct{ URL string } }
	if err := json.Unmarshal(a.body, &doc); err != nil || len(doc.Data) == 0 || !strings.HasPrefix(doc.Data[0].URL, api) {
		w.Fatalf("no picture: %d %s", a.status, a.body)
	}
	return doc.Data[0].URL
}
