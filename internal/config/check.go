package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var privateKey = regexp.MustCompile(`^\s*(0[xX])?[0-9a-fA-F]{64}\s*$`)

// Check reports everything that is out of bounds or in conflict, as a ProblemsError. It does not ask for a wallet:
// many commands need none (see HasKey).
func (c Config) Check() error {
	var ps ProblemsError
	add := func(name, given, format string, args ...any) {
		if given != "" {
			given = quoted(given)
		}
		ps = append(ps, Problem{Variable: Prefix + name, Given: given, Text: fmt.Sprintf(format, args...)})
	}
	ps = append(ps, c.outOfBounds()...)

	if c.PrivateKey.IsSet() && !privateKey.MatchString(c.PrivateKey.Reveal()) {
		add("PRIVATE_KEY", "", "wanted: 64 hex digits, with or without 0x in front, or @ and the path of a file that holds them")
	}
	if c.PrivateKey.IsSet() && c.Keystore != "" {
		add("KEYSTORE", "", "set either this or %sPRIVATE_KEY, not both", Prefix)
	}
	if c.Keystore == "" && c.KeystorePassword.IsSet() {
		add("KEYSTORE_PASSWORD", "", "is set, but %sKEYSTORE is not", Prefix)
	}
	switch signer := c.Signer.Reveal() != ""; {
	case signer && (c.PrivateKey.IsSet() || c.Keystore != ""):
		add("SIGNER", "", "set either this or a key of ours (%sPRIVATE_KEY, %sKEYSTORE), not both", Prefix, Prefix)
	case signer && c.SignerAddress == (Address{}):
		add("SIGNER_ADDRESS", "", "is needed: the wallet that %sSIGNER signs for", Prefix)
	case !signer && c.SignerAddress != (Address{}):
		add("SIGNER_ADDRESS", "", "is set, but %sSIGNER is not", Prefix)
	}

	if !hostName(c.Host) {
		add("HOST", c.Host, "wanted: an IP address or a host name, without a port")
	}
	if !c.AdminOff() {
		switch host, port, err := splitListen(c.AdminListen); {
		case err != nil:
			add("ADMIN_LISTEN", c.AdminListen, "wanted: host:port, or off (example: 127.0.0.1:3090)")
		case port != 0 && port == c.Port && (host == c.Host || wildcard(host) || wildcard(c.Host)):
			add("ADMIN_LISTEN", c.AdminListen, "callers are served there already (%sPORT is %d); choose another port", Prefix, c.Port)
		}
	}
	for _, h := range c.AllowedHosts {
		if !hostName(h) {
			add("ALLOWED_HOSTS", h, "wanted: a host name without scheme or port")
		}
	}

	for _, o := range c.AllowedOrigins {
		if (o == nullOrigin || o == fileOrigin) && c.APIKeys.Len() == 0 {
			add("ALLOWED_ORIGINS", o, "any web page can have this origin, so it needs local keys as well (%sAPI_KEYS)", Prefix)
		}
	}

	if c.HighWater.Each.Cmp(c.LowWater.Each.Neuron) <= 0 {
		add("HIGH_WATER", c.HighWater.String(), "has to be above %sLOW_WATER (%s)", Prefix, c.LowWater)
	} else {
		for _, p := range c.Providers {
			if low, high := c.LowWater.For(p), c.HighWater.For(p); high.Cmp(low) <= 0 {
				add("HIGH_WATER", c.HighWater.String(), "has to be above %sLOW_WATER for every provider; for %s it is %s 0G, and %s 0G is the low water", Prefix, p.Hex(), high.Og(), low.Og())
			}
		}
	}
	for _, e := range c.exceptions() {
		for _, p := range e.providers {
			if !slices.Contains(c.Providers, p) {
				add(e.name, e.given, "the exception for %s means nothing: that provider is not in %sPROVIDERS", p.Hex(), Prefix)
			}
		}
	}
	if day := c.BudgetTransfersDay; !c.AutoFund.IsZero() && day.Set && day.IsZero() {
		add("BUDGET_TRANSFERS_DAY", day.String(), "forbids every top-up while %sAUTO_FUND asks for them", Prefix)
	}
	if c.MaxFeePerGas.IsZero() {
		add("MAX_FEE_PER_GAS", c.MaxFeePerGas.String(), "no transaction can be sent for nothing (example: 50gwei)")
	}
	if (c.LedgerContract == Address{}) != (c.InferenceContract == Address{}) {
		name := "LEDGER_CONTRACT"
		if c.LedgerContract != (Address{}) {
			name = "INFERENCE_CONTRACT"
		}
		add(name, "", "the two contracts belong together: set both, or neither")
	}
	return ps.orNil()
}

// outOfBounds applies the tags oneof, min and max.
func (c Config) outOfBounds() ProblemsError {
	var ps ProblemsError
	v := reflect.ValueOf(c)
	for _, f := range fields() {
		bad := false
		switch value := v.Field(f.index).Interface().(type) {
		case string:
			words := f.oneOf()
			bad = len(words) > 0 && !slices.Contains(words, value)
		case Duration:
			bad = outside(f, value, (*Duration).Decode)
		case ByteSize:
			bad = outside(f, value, (*ByteSize).Decode)
		case Count:
			bad = outside(f, value, (*Count).Decode)
		}
		if bad {
			ps = append(ps, Problem{
				Variable: f.variable,
				Given:    quoted(fmt.Sprint(v.Field(f.index).Interface())),
				Text:     "wanted: " + f.allowed(),
			})
		}
	}
	return ps
}

// outside reports whether the value is below the tag min or above the tag max. Tags that cannot be read are found by
// the tests.
func outside[T ~int64 | ~uint64](f field, value T, decode func(*T, string) error) bool {
	var least, most T
	if tag := f.Tag.Get("min"); tag != "" && (decode(&least, tag) != nil || value < least) {
		return true
	}
	tag := f.Tag.Get("max")
	return tag != "" && (decode(&most, tag) != nil || value > most)
}

// exception is a variable with values for single providers.
type exception struct {
	name, given string
	providers   []common.Address
}

func (c Config) exceptions() []exception {
	var out []exception
	for _, v := range []struct {
		name  string
		value ProviderAmounts
	}{{"LOW_WATER", c.LowWater}, {"HIGH_WATER", c.HighWater}} {
		out = append(out, exception{v.name, v.value.String(), slices.SortedFunc(maps.Keys(v.value.Except), common.Address.Cmp)})
	}
	for _, v := range []struct {
		name  string
		value ProviderCaps
	}{
		{"BUDGET_PROVIDER_FEES_DAY", c.BudgetProviderFeesDay},
		{"BUDGET_PROVIDER_FEES_TOTAL", c.BudgetProviderFeesTotal},
		{"BUDGET_PROVIDER_TRANSFERS_DAY", c.BudgetProviderTransfersDay},
		{"BUDGET_PROVIDER_TRANSFERS_TOTAL", c.BudgetProviderTransfersTotal},
	} {
		out = append(out, exception{v.name, v.value.String(), slices.SortedFunc(maps.Keys(v.value.Except), common.Address.Cmp)})
	}
	return out
}

// Warnings lists what works but is probably not meant, in words for people.
func (c Config) Warnings() []string {
	var ws []string
	add := func(name, format string, args ...any) {
		ws = append(ws, Prefix+name+": "+fmt.Sprintf(format, args...))
	}
	for name, w := range map[string]string{
		"PRIVATE_KEY": c.PrivateKey.Warning(), "KEYSTORE_PASSWORD": c.KeystorePassword.Warning(), "API_KEYS": c.APIKeys.Warning(),
	} {
		if w != "" {
			add(name, "%s", w)
		}
	}
	if w := private.Warning(c.Keystore); c.Keystore != "" && w != "" {
		add("KEYSTORE", "%s", w)
	}
	if u, err := url.Parse(c.Signer.Reveal()); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		add("SIGNER", "the connection to %s is not encrypted; whoever sits between can read what is signed, and ask for more", u.Hostname())
	}
	for _, e := range c.Endpoints {
		if w := e.Key.Warning(); w != "" {
			add("ENDPOINTS", "%s", w)
		}
	}
	for _, k := range c.APIKeys.Reveal() {
		if len(k) < 16 {
			add("API_KEYS", "a key of %d characters is easy to guess; use 16 or more", len(k))
			break
		}
	}
	if hostName(c.Host) && !loopback(c.Host) && c.APIKeys.Len() == 0 {
		add("HOST", "whoever reaches %s can spend from the wallet; set %sAPI_KEYS, or use 127.0.0.1", c.Host, Prefix)
	}
	if host, _, err := splitListen(c.AdminListen); err == nil && !c.AdminOff() && !loopback(host) {
		add("ADMIN_LISTEN", "whoever reaches %s can see what is spent and on what; it asks for no key", c.AdminListen)
	}
	for _, rpc := range c.RPCURL.Reveal() {
		if u, err := url.Parse(rpc); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			add("RPC_URL", "the connection to %s is not encrypted; whoever sits between can answer for the chain", u.Hostname())
		}
	}
	if len(c.Providers) == 0 {
		add("PROVIDERS", "no provider is named, so none may be paid and no request will be served")
	}
	low := c.LowWater.Each.Neuron
	for _, own := range c.LowWater.Except {
		low = low.Min(own.Neuron)
	}
	if low.Less(zg.OneOG) {
		add("LOW_WATER", "%s 0G is below the 1 0G that providers want to see in a sub-account before they serve", low.Og())
	}
	if !zg.Simulated(c.Network) && c.MaxFeePerGas.Less(zg.NeuronOf(2*gwei)) {
		add("MAX_FEE_PER_GAS", "%s is below 2gwei, the least tip that nodes of the network accept", c.MaxFeePerGas)
	}
	if !zg.Simulated(c.Network) && c.AllowPrivate {
		add("ALLOW_PRIVATE_PROVIDERS", "a service registered on chain by anyone may now point zgproxy at machines of your own network")
	}
	return ws
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, valueError("wanted: a port number from 0 to 65535")
	}
	return uint16(n), nil
}

func splitListen(s string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	if port, err = parsePort(text); err != nil {
		return "", 0, err
	}
	if host != "" && !hostName(host) {
		return "", 0, valueError("not a host")
	}
	return host, port, nil
}

func wildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || (err == nil && ip.IsUnspecified())
}

// hostName accepts IP addresses and names, without port, scheme or brackets.
func hostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", r) {
			return false
		}
	}
	return true
}
