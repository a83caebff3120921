// Package egress is the way out of a sandbox: a proxy that reaches the hosts of a list and no others, and gateways that put
// secrets into requests on the way, so that whoever asks never holds them.
package egress

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Rules are the hosts that may be reached.
type Rules []rule

// rule is one of them: a name, the names below one, or addresses.
type rule struct {
	name   string // without "*."; "" for addresses
	below  bool   // names below it, not the name itself
	prefix netip.Prefix
	port   uint16 // 0 means every port
}

// defaultPort is that of a rule without one.
const defaultPort = 443

// Parse reads rules: HOST[:PORT]. HOST is a name, *.NAME for all names below it, an IP address, or ADDRESS/BITS. PORT is 443 when
// it is not given, and * for all. IPv6 addresses stand in brackets when a port follows.
func Parse(texts []string) (Rules, error) {
	rules := make(Rules, 0, len(texts))
	for _, text := range texts {
		r, err := parseRule(text)
		if err != nil {
			return nil, fmt.Errorf("net: %q is not a host: %w; write example.com, example.com:8080 or *.example.com", text, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(text string) (rule, error) {
	host, port, err := splitPort(strings.ToLower(text))
	if err != nil {
		return rule{}, err
	}
	r := rule{port: port}
	if p, ok := parsePrefix(host); ok {
		r.prefix = p
		return r, nil
	}
	r.name, r.below = strings.CutPrefix(host, "*.")
	r.name = strings.TrimSuffix(r.name, ".")
	return r, checkName(r.name)
}

func parsePrefix(host string) (netip.Prefix, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(host)
	return p.Masked(), err == nil
}

// splitPort takes a rule's host and port apart.
func splitPort(text string) (host string, port uint16, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.HasSuffix(text, "]") || strings.Count(text, ":") > 1 && !strings.Contains(text, "]:") {
		return text, defaultPort, nil
	}
	if text[i+1:] == "*" {
		return text[:i], 0, nil
	}
	n, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q is not a port", text[i+1:])
	}
	return text[:i], uint16(n), nil
}

// checkName accepts names of the domain system in ASCII.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("the name has %d characters", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("the name has an empty or too long part")
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fmt.Errorf("%q cannot be in a name", c)
			}
		}
	}
	return nil
}

// Allow says whether the host of a URL is among the rules.
func (rs Rules) Allow(link string) bool {
	u, err := url.Parse(link)
	if err != nil {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host, n, err := hostPort(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return rs.allowAddr(a.Unmap(), n)
	}
	return rs.allowName(host, n)
}

// allowName says whether a name may be reached at a port.
func (rs Rules) allowName(name string, port uint16) bool {
	for _, r := range rs {
		if r.name == "" || r.port != 0 && r.port != port {
			continue
		}
		if name == r.name && !r.below || r.below && strings.HasSuffix(name, "."+r.name) {
			return true
		}
	}
	return false
}

// allowAddr says whether an address is itself among the rules.
func (rs Rules) allowAddr(a netip.Addr, port uint16) bool {
	for _, r := range rs {
		if r.name == "" && (r.port == 0 || r.port == port) && r.prefix.Contains(a) {
			return true
		}
	}
	return false
}

// notPublic lists what a name must not lead to: this machine, its neighbours, and addresses that stand for others.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/9", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

// public says whether an address belongs to the internet at large.
func public(a netip.Addr) bool {
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
