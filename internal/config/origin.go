package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// OriginList is a list of web pages' origins, each as browsers write it.
type OriginList []string

// Decode reads origins separated by commas.
func (l *OriginList) Decode(s string) error {
	*l = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		origin, why := readOrigin(part)
		if why != "" {
			return valueError(part + " " + why)
		}
		if !slices.Contains(*l, origin) {
			*l = append(*l, origin)
		}
	}
	return nil
}

// String writes the origins separated by commas.
func (l OriginList) String() string { return strings.Join(l, ",") }

// What browsers and applications call the origin of pages that have none: sandboxed ones and those of files. Any page can
// have it.
const (
	nullOrigin = "null"
	fileOrigin = "file://"
)

// readOrigin is an origin as browsers write it: in lower case, without the port that the scheme has by itself, and a name
// in other than Latin letters in the form that DNS knows. Or else what is wrong with it.
func readOrigin(s string) (origin, why string) {
	const wanted = "is not an origin: nothing stands behind the host and its port " +
		"(examples: https://chat.example.com, app://obsidian.md)"
	if s == nullOrigin || s == fileOrigin {
		return s, ""
	}
	if strings.Contains(s, "*") {
		return "", "has a wildcard, and there is none, because any page could spend from the wallet: name each origin"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil ||
		(u.Path != "" && u.Path != "/") || strings.ContainsAny(s, "?#") {
		return "", wanted
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return u.Scheme + "://" + u.Host, "" // of an application, which writes it as it likes
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if n, err := parsePort(port); port != "" && (err != nil || n == 0) {
		return "", wanted
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if host = ip.String(); ip.Is6() {
			host = "[" + host + "]"
		}
	} else if host, why = asciiHost(host); why != "" {
		return "", why
	}
	if port == "" || (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		return u.Scheme + "://" + host, "" // url.Parse has the scheme in lower case
	}
	return u.Scheme + "://" + host + ":" + port, ""
}

// asciiHost is a host name in the form that DNS knows.
func asciiHost(host string) (ascii, why string) {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		plain := true
		for _, r := range label {
			switch {
			case r < 0x80 && hostName(string(r)):
			case r >= 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) && (r < 0xfb00 || r > 0xffff):
				plain = false // and no ligature or wide letter
			default: // what browsers make of it cannot be said without their tables
				return "", "has a name that cannot be read; write it as browsers do, in the form that begins with xn--"
			}
		}
		if !plain {
			labels[i] = "xn--" + punycode(label)
		}
	}
	ascii = strings.Join(labels, ".")
	if !hostName(ascii) {
		return "", "has a name that cannot be read; write it as browsers do, in the form that begins with xn--"
	}
	return ascii, ""
}

// punycode encodes a label (RFC 3492). Its length is that of a host name, so that nothing overflows.
func punycode(label string) string {
	const (
		base, tMin, tMax    = 36, 1, 26
		skew, damp          = 38, 700
		firstBias, firstRun = 72, 0x80
		digits              = "abcdefghijklmnopqrstuvwxyz0123456789"
	)
	runes := []rune(label)
	var out []byte
	for _, r := range runes {
		if r < firstRun {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	done := basic
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(firstRun), 0, firstBias
	for done < len(runes) {
		next := rune(unicode.MaxRune)
		for _, r := range runes {
			if r >= n {
				next = min(next, r)
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := base; ; k += base {
				t := min(max(k-bias, tMin), tMax)
				if q < t {
					break
				}
				out = append(out, digits[t+(q-t)%(base-t)])
				q = (q - t) / (base - t)
			}
			out = append(out, digits[q])
			// The bias adapts to how far apart the letters are.
			if done == basic {
				delta /= damp
			} else {
				delta /= 2
			}
			done++
			delta += delta / done
			k := 0
			for ; delta > (base-tMin)*tMax/2; k += base {
				delta /= base - tMin
			}
			bias = k + (base-tMin+1)*delta/(delta+skew)
			delta = 0
		}
		delta++
		n++
	}
	return string(out)
}
