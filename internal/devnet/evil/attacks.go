package evil

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Marker is in everything that a provider may not say in the name of somebody else: of the proxy, or of its verdicts.
const Marker = "evil-marker"

// Attack is one thing that a provider may say.
type Attack struct {
	Name string
	Do   func(*Exchange)
	// Waits says that it only ends by a time limit of the other side.
	Waits bool
}

// Document is taken for an answer of any kind: a chat, a list of pictures, a job that is done.
const Document = `{"id":"evil-1","object":"chat.completion","status":"completed","progress":100,"created":1,"model":"echo-1",` +
	`"choices":[{"index":0,"message":{"role":"assistant","content":"evil"},"delta":{"content":"evil"},"finish_reason":"stop"}],` +
	`"data":[{"b64_json":"iVBORw0KGgo="}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`

// Page buys answers from the wallet where a browser takes it for a page of the proxy's own origin.
const Page = `<!doctype html><html><body onload="fetch('/v1/chat/completions',{method:'POST',body:'{}'})"><script>` +
	`document.title='` + Marker + `'</script></body></html>`

// answer is a whole response with a length; header is lines with their ends.
func answer(status, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

const jsonType = "Content-Type: application/json\r\n"

// says is an attack that writes bytes and hangs up.
func says(name, raw string) Attack {
	return Attack{Name: name, Do: func(x *Exchange) { x.Say(raw) }}
}

// chunked writes a body in a chunked frame that the attack makes itself.
func chunked(chunks string) string {
	return "HTTP/1.1 200 OK\r\n" + jsonType + "Transfer-Encoding: chunked\r\n\r\n" + chunks
}

// Attacks are those that may be tried on whatever a provider is asked for.
func Attacks() []Attack {
	var all []Attack
	for _, list := range [][]Attack{framing(), statuses(), types(), headers(), tokens(), documents(), compressed(), silences()} {
		all = append(all, list...)
	}
	return all
}

// framing is HTTP that is none, or that two readers may read differently.
func framing() []Attack {
	one := fmt.Sprintf("%x\r\n%s\r\n", len(Document), Document)
	return []Attack{
		{Name: "reset", Do: (*Exchange).Reset},
		says("nothing at all", ""),
		says("bytes that are no HTTP", "\x16\x03\x01\x00\x05hello\x00\xff\xfe\r\n\r\n"),
		says("HTTP/0.9", Document),
		says("another protocol", "SSH-2.0-OpenSSH_9.6\r\n"),
		says("HTTP/2 without being asked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
		says("a status line without a number", "HTTP/1.1 OK\r\n\r\n"),
		says("a version of the future", "HTTP/9.9 200 OK\r\n\r\n"),
		says("two lengths", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
		says("a negative length", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: -1\r\n\r\n"+Document),
		says("a length beyond 64 bits", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 99999999999999999999\r\n\r\n"+Document),
		says("a length of all there is", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 9223372036854775807\r\n\r\n"+Document),
		says("less than its length", "HTTP/1.1 200 OK\r\n"+jsonType+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(Document)+1)+Document),
		says("length and chunks", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"+one+"0\r\n\r\n"),
		says("an unknown transfer coding", "HTTP/1.1 200 OK\r\n"+jsonType+"Transfer-Encoding: gzip, chunked\r\n\r\n"+one+"0\r\n\r\n"),
		says("chunks without an end", chunked(one)),
		says("a chunk that is cut off", chunked("ffff\r\n"+Document)),
		says("a chunk of a negative size", chunked("-1\r\n"+Document+"\r\n0\r\n\r\n")),
		says("a chunk beyond 64 bits", chunked("10000000000000000\r\n"+Document)),
		says("a chunk size of no digits", chunked("zz\r\n"+Document+"\r\n0\r\n\r\n")),
		says("a chunk without its line end", chunked(fmt.Sprintf("%x\r\n%s", len(Document), Document)+"0\r\n\r\n")),
		says("an extension of a megabyte", chunked("5;"+strings.Repeat("x", 1<<20)+"\r\nhello\r\n0\r\n\r\n")),
		{Name: "chunk extensions without end", Do: func(x *Exchange) {
			x.Say("HTTP/1.1 200 OK\r\n" + jsonType + "Transfer-Encoding: chunked\r\n\r\n")
			x.Flood("1;"+strings.Repeat("x", 4000)+"\r\nx\r\n", 4000)
		}},
		says("trailers in our name", chunked(one+"0\r\nX-Zgproxy-Verdict: "+Marker+"\r\nX-Zgproxy-Fee: "+Marker+"\r\nSet-Cookie: a="+Marker+"\r\n\r\n")),
		{Name: "trailers without end", Do: func(x *Exchange) {
			x.Say(chunked(one + "0\r\n"))
			x.Flood("X-A: "+strings.Repeat("a", 1000)+"\r\n", 20_000)
		}},
		says("a header that never ends", "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 12<<20)),
		{Name: "header lines without end", Do: func(x *Exchange) {
			x.Say("HTTP/1.1 200 OK\r\n")
			x.Flood("X-A: "+strings.Repeat("a", 1000)+"\r\n", 20_000)
		}},
		says("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Type : application/json\r\nContent-Length: 2\r\n\r\n{}"),
		says("a folded header", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\ttext/html\r\nContent-Length: 2\r\n\r\n{}"),
		says("a header with a zero", "HTTP/1.1 200 OK\r\nContent-Type: application/json\x00text/html\r\nContent-Length: 2\r\n\r\n{}"),
		says("a line end inside a header", "HTTP/1.1 200 OK\r\nZG-Res-Key: a\rSet-Cookie: b="+Marker+"\r\n"+jsonType+"Content-Length: 2\r\n\r\n{}"),
		says("lines that end in LF", "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: "+fmt.Sprint(len(Page))+"\n\n"+Page),
		{Name: "a second answer that nobody asked for", Do: func(x *Exchange) {
			x.Keep = true
			x.Say(answer("200 OK", jsonType, Document) + answer("200 OK", jsonType, `{"`+Marker+`":true}`))
		}},
		{Name: "interim answers without end", Do: func(x *Exchange) {
			x.Flood("HTTP/1.1 103 Early Hints\r\nLink: </"+Marker+">\r\n\r\n", 20_000)
		}},
		says("another protocol is switched to", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"+Document),
	}
}

// statuses are the numbers themselves.
func statuses() []Attack {
	var all []Attack
	for _, status := range []string{
		"000 Zero", "100 Continue", "199 Odd", "201 Created", "202 Accepted", "204 No Content", "205 Reset Content", "206 Partial Content",
		"299 Fine", "300 Choices", "301 Moved", "302 Found", "303 See Other", "304 Not Modified", "305 Use Proxy", "307 Temporary Redirect",
		"308 Permanent Redirect", "401 Unauthorized", "402 Payment Required", "403 Forbidden", "407 Proxy Authentication Required",
		"413 Too Large", "418 Teapot", "429 Too Many Requests", "451 Legal", "499 Left", "500 Error", "503 Busy", "511 Network", "599 Odd", "600 Odd", "999 Odd",
	} {
		all = append(all, says("status "+status[:3], answer(status, "Content-Type: text/html\r\nLocation: http://127.0.0.1:1/"+Marker+
			"\r\nWWW-Authenticate: Basic realm=\""+Marker+"\"\r\nProxy-Authenticate: Basic\r\nRetry-After: 0\r\n", Page)))
	}
	return all
}

// types are what a browser would run, or show as something else than it is.
func types() []Attack {
	var all []Attack
	for _, contentType := range []string{
		"text/html", "TEXT/HTML; charset=utf-8", " text/html", "text/html;", "text/html, application/json", "application/json, text/html", "image/svg+xml",
		"application/xhtml+xml", "text/xml", "application/xml", "text/javascript", "application/javascript", "text/css",
		"application/pdf", "multipart/x-mixed-replace; boundary=x", "application/x-shockwave-flash", "text/vtt; charset=utf-7",
		"application/json; charset=utf-7", "text/plain; charset=utf-16", "message/rfc822", "text/cache-manifest",
		"application/wasm", "application/manifest+json", "image/png\x0btext/html", "*/*", "", "application/rss+xml", "text/event-stream; text/html",
	} {
		all = append(all, says("type "+contentType, answer("200 OK", "Content-Type: "+contentType+"\r\n", Page)))
	}
	all = append(all, says("two types", answer("200 OK", "Content-Type: image/png\r\nContent-Type: text/html\r\n", Page)))
	return append(all, says("no type, and HTML", answer("200 OK", "", Page)))
}

// headers are those that speak to a browser, a cache, a client or another proxy.
func headers() []Attack {
	var all []Attack
	for _, line := range []string{
		"Set-Cookie: session=" + Marker, "Clear-Site-Data: \"*\"", "Refresh: 0; url=http://127.0.0.1:1/" + Marker, "Location: http://127.0.0.1:1/" + Marker,
		"Link: <http://127.0.0.1:1/>; rel=preload", "Alt-Svc: h2=\"127.0.0.1:1\"", "Strict-Transport-Security: max-age=99999999; includeSubDomains",
		"Service-Worker-Allowed: /", "SourceMap: http://127.0.0.1:1/x", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true",
		"Content-Security-Policy: default-src *", "Content-Security-Policy-Report-Only: default-src 'none'; report-uri http://127.0.0.1:1/",
		"X-Frame-Options: ALLOWALL", "Cross-Origin-Resource-Policy: cross-origin", "Cross-Origin-Opener-Policy: unsafe-none", "X-Content-Type-Options: sniff",
		"Report-To: {\"endpoints\":[]}", "NEL: {\"report_to\":\"x\"}", "Accept-CH: Sec-CH-UA-Arch", "Permissions-Policy: camera=*",
		"Connection: X-Request-Id, Content-Security-Policy, close", "Upgrade: h2c", "Keep-Alive: timeout=99999", "Proxy-Authenticate: Basic", "Via: 1.1 " + Marker,
		"X-Request-Id: " + Marker, "X-Zgproxy-Verdict: " + Marker, "X-Zgproxy-Provider: " + Marker, "X-Zgproxy-Fee: " + Marker, "X-Zgproxy-Error: " + Marker,
		"X-Should-Retry: true", "Retry-After: 99999999999", "Retry-After: -1", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
		"X-0G-Fee: -1", "X-0G-Fee: 115792089237316195423570985008687907853269984665640564039457584007913129639936", "X-0G-Fee: 1e400",
		"Content-Disposition: inline; filename=\"x.html\"", "Content-Disposition: attachment; filename=\"../../.bashrc\"", "Content-Encoding: br",
		"Content-Encoding: gzip, gzip", "Content-Encoding: identity, gzip", "Cache-Control: public, max-age=99999999, immutable", "Vary: *", "Age: 99999999",
		"ZG-Res-Key: ../../../etc/passwd", "ZG-Res-Key: " + strings.Repeat("k", 100_000), "ZG-Res-Key: \x1b[2J\x9b2J", "Provider: \u202eevil\u2066",
		"X-RateLimit-Limit-Requests: -9223372036854775808", "X-RateLimit-Reset-Requests: 99999999999999h", "X-Ratelimit-\xff: a", "Trailer: Set-Cookie, X-Zgproxy-Verdict",
	} {
		all = append(all, says("header "+line[:min(len(line), 60)], answer("200 OK", jsonType+line+"\r\n", Document)))
	}
	many := strings.Builder{}
	for i := range 3000 {
		fmt.Fprintf(&many, "X-RateLimit-%d: %d\r\n", i, i)
	}
	return append(all, says("thousands of allowed headers", answer("200 OK", jsonType+many.String(), Document)))
}

// tokens give the session token to whoever asked, in every spelling that some reader undoes.
func tokens() []Attack {
	echo := func(name string, f func(token string) string) Attack {
		return Attack{Name: "the token " + name, Do: func(x *Exchange) { x.Say(f(x.Token())) }}
	}
	message := func(text string) string {
		return `{"error":{"message":"` + text + `","type":"server_error","code":null}}`
	}
	escaped := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		return b.String()
	}
	var all []Attack
	for _, status := range []string{"400 Bad Request", "429 Too Many Requests", "500 Error"} {
		spellings := map[string]func(string) string{
			"as it is":                 func(s string) string { return s },
			"with its hyphens escaped": func(s string) string { return strings.ReplaceAll(s, "-", `\u002d`) },
			"all of it escaped":        escaped,
			"behind half of it":        func(s string) string { return s[:len(s)/2] + " " + s },
			"with a soft hyphen":       func(s string) string { return s[:3] + "\u00ad" + s[3:] },
			"with a space in it":       func(s string) string { return s[:10] + " " + s[10:] },
		}
		for _, name := range slices.Sorted(maps.Keys(spellings)) {
			spell := spellings[name]
			all = append(all, echo(name+" in an error "+status[:3], func(s string) string { return answer(status, jsonType, message(spell(s))) }))
		}
		all = append(all,
			echo("in a page of "+status[:3], func(s string) string { return answer(status, "Content-Type: text/html\r\n", "<p>"+s+"</p>") }),
			echo("in the code of "+status[:3], func(s string) string {
				return answer(status, jsonType, `{"error":{"message":"x","type":"`+s+`","code":"`+s+`","param":"`+s+`"}}`)
			}),
			echo("in a name of "+status[:3], func(s string) string {
				return answer(status, jsonType, `{"error":{"message":"x","`+s+`":1},"`+s+`":2}`)
			}))
	}
	for _, name := range []string{"ZG-Res-Key", "Provider", "X-0G-Fee", "Retry-After", "Content-Type", "Content-Disposition", "Cache-Control", "X-RateLimit-Note", "Content-Encoding", "Etag"} {
		all = append(all, echo("in "+name, func(s string) string { return answer("200 OK", jsonType+name+": "+s+"\r\n", Document) }),
			echo("in "+name+" of an error", func(s string) string { return answer("400 Bad Request", jsonType+name+": "+s+"\r\n", message("x")) }))
	}
	return append(all, echo("as a header's name", func(s string) string {
		return answer("400 Bad Request", jsonType+"X-RateLimit-"+s[:10]+": 1\r\n", message("x"))
	}))
}

// documents are JSON, or nearly.
func documents() []Attack {
	deep := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	names := strings.Builder{}
	for i := range 100_000 {
		fmt.Fprintf(&names, `"n%d":0,`, i)
	}
	usage := func(v string) string {
		return `{"id":"evil","choices":[{"index":0,"message":{"role":"assistant","content":"evil"}}],"usage":` + v + `}`
	}
	cases := map[string]string{
		"an empty document": "", "white space": strings.Repeat(" \n", 1000), "null": "null", "a number": "1e999", "a string": `"evil"`, "an empty list": "[]",
		"a list that is deep": deep("[", "", "]", 100_000), "objects that are deep": deep(`{"a":`, "1", "}", 100_000), "a deep list without its end": strings.Repeat("[", 1<<20),
		"two documents": Document + Document, "a document cut off": Document[:len(Document)/2], "a document behind a byte order mark": "\ufeff" + Document,
		"a document in UTF-16": "\xff\xfe{\x00}\x00", "bytes that are no UTF-8": `{"id":"` + "\xff\xc0\x80\xed\xa0\x80" + `","choices":[]}`, "half a surrogate pair": `{"id":"\ud800","choices":[]}`,
		"a hundred thousand names": "{" + names.String() + `"id":"evil"}`, "one name a hundred thousand times": "{" + strings.Repeat(`"a":1,`, 100_000) + `"id":"evil"}`,
		"two ids": `{"id":"a","id":"b","ID":"c","choices":[]}`, "a number of a megabyte": `{"id":` + strings.Repeat("9", 1<<20) + `}`,
		"backslashes": `{"id":"` + strings.Repeat(`\\`, 1<<20) + `"}`, "escapes": `{"id":"` + strings.Repeat(`\u0041`, 1<<18) + `"}`, "an id of a megabyte": `{"id":"` + strings.Repeat("i", 1<<20) + `","choices":[]}`,
		"an id that leads elsewhere": `{"id":"../../../v1/quote","status":"completed","choices":[]}`, "an id that paints": `{"id":"\u001b[2J\u202e\u009b31m","choices":[]}`,
		"usage that is negative": usage(`{"prompt_tokens":-1,"completion_tokens":-1}`), "usage beyond 64 bits": usage(`{"prompt_tokens":18446744073709551616,"completion_tokens":99999999999999999999999}`),
		"usage as text": usage(`{"prompt_tokens":"1","completion_tokens":"` + Marker + `"}`), "usage as a list": usage(`[[[[]]]]`), "usage twice": usage(`{"prompt_tokens":1},"usage":{"prompt_tokens":999999999}`),
		"pictures elsewhere":        `{"created":1,"data":[{"url":"http://169.254.169.254/latest/meta-data/"},{"url":"file:///etc/passwd"},{"url":"javascript:alert(1)"}]}`,
		"a picture and another one": `{"created":1,"data":[{"b64_json":"iVBORw0KGgo=","url":"http://127.0.0.1:1/"}]}`,
		"a page of an ingress":      Page, "a picture": "\x89PNG\r\n\x1a\n" + Page,
		"a stream":                  "data: " + Document + "\n\ndata: [DONE]\n\n",
		"a line of four megabytes":  "data: " + strings.Repeat("x", 4<<20) + "\n\ndata: [DONE]\n\n",
		"lines that end in CR":      "data: " + Document + "\r\rdata: [DONE]\r\r",
		"events without an end":     strings.Repeat(": ping\n\n", 10_000),
		"events with other fields":  "id: 1\nretry: 0\nevent: error\ndata: {\"error\":{\"message\":\"" + Marker + "\"}}\n\ndata: [DONE]\n\n",
		"an event behind the end":   "data: [DONE]\n\ndata: " + Document + "\n\n",
		"an event with zeros in it": "data: \x00\x00{\"choices\":[]}\n\ndata: [DONE]\n\n",
		"data without a line end":   "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
		"usage in every event":      strings.Repeat("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":18446744073709551615}}\n\n", 100) + "data: [DONE]\n\n",
	}
	var all []Attack
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		body := cases[name]
		all = append(all, says(name, answer("200 OK", jsonType, body)), says(name+", as events", answer("200 OK", "Content-Type: text/event-stream\r\n", body)))
	}
	return all
}

// compressed is what unfolds into more than it was, or into nothing.
func compressed() []Attack {
	pack := func(body string, times int) string {
		out := []byte(body)
		for range times {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			if _, err := w.Write(out); err != nil {
				panic(err) // a buffer takes everything
			}
			if err := w.Close(); err != nil {
				panic(err)
			}
			out = b.Bytes()
		}
		return string(out)
	}
	zip := jsonType + "Content-Encoding: gzip\r\n"
	bomb := pack(`{"id":"`+strings.Repeat("x", 64<<20)+`"}`, 1)
	return []Attack{
		says("a small one compressed", answer("200 OK", zip, pack(Document, 1))),
		says("compressed twice", answer("200 OK", zip, pack(Document, 2))),
		says("64 megabytes in 64 kilobytes", answer("200 OK", zip, bomb)),
		says("an error of 64 megabytes in 64 kilobytes", answer("500 Error", zip, bomb)),
		says("compressed and cut off", answer("200 OK", zip, pack(Document, 1)[:30])),
		says("said to be compressed", answer("200 OK", zip, Document)),
		says("compressed, with something behind it", answer("200 OK", zip, pack(Document, 1)+Document)),
		says("compressed, as events", answer("200 OK", "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n", pack("data: "+Document+"\n\ndata: [DONE]\n\n", 1))),
	}
}

// silences end by somebody's patience only.
func silences() []Attack {
	waits := func(name, before string) Attack {
		return Attack{Name: name, Waits: true, Do: func(x *Exchange) {
			x.Say(before)
			x.Hang()
		}}
	}
	return []Attack{
		waits("silence", ""), waits("silence in the status line", "HTTP/1.1 2"), waits("silence in the header", "HTTP/1.1 200 OK\r\nContent-Type: appl"),
		waits("silence before the body", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 1000\r\n\r\n"), waits("silence in a document", "HTTP/1.1 200 OK\r\n"+jsonType+"Content-Length: 1000\r\n\r\n"+Document),
		waits("silence in a stream", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"choices\":[]}\n\n"),
		waits("silence before the last chunk", chunked(fmt.Sprintf("%x\r\n%s\r\n", len(Document), Document))), waits("silence behind the end", answer("200 OK", jsonType, Document)),
	}
}
