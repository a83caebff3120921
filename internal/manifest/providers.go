package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// mostCalls bounds how many calls a limit can allow.
const mostCalls = 1 << 20

// Provider is the table [providers.NAME]: somebody whom several agents ask, and what all of them together are held to.
type Provider struct {
	Name           string
	MaxConcurrency int // calls at a time; zero means as many as come
	Rate           Rate
}

// Rate is how many calls may begin in a span of time. At zero as many as come.
type Rate struct {
	Calls int
	Per   time.Duration
	Burst int // calls that may begin at once after a rest; zero means one
}

func providersOf(t *table) []Provider {
	var providers []Provider
	for _, name := range t.sortedKeys() {
		if !agentName().MatchString(name) {
			t.doc.problem(t.doc.place(t.sub(name)), "", "%q cannot be a provider's name: use up to 100 lower-case letters, digits, '-', '_' and '.'", name)
			continue
		}
		p := t.table(name)
		p.only("max_concurrency", "rate", "burst")
		providers = append(providers, Provider{Name: name, MaxConcurrency: p.count("max_concurrency", mostCalls), Rate: p.rate()})
	}
	return providers
}

// rate reads the keys rate and burst.
func (t *table) rate() Rate {
	burst := t.count("burst", mostCalls)
	v, ok := t.m["rate"]
	if !ok {
		if burst > 0 {
			t.wrong("burst", `add rate = "60/m", or leave burst out`, "there is a burst without a rate")
		}
		return Rate{}
	}
	s, ok := v.(string)
	r, valid := rateOf(s)
	if !ok || !valid {
		t.wrong("rate", `write rate = "10/s", "60/m" or "1000/h"`, "rate is %s, want a number of calls per s, m or h", quotedOr(v))
	}
	r.Burst = burst
	return r
}

func rateOf(s string) (Rate, bool) {
	number, unit, _ := strings.Cut(s, "/")
	per, ok := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[strings.TrimSpace(unit)]
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if !ok || err != nil || n < 1 || n > mostCalls {
		return Rate{}, false
	}
	return Rate{Calls: n, Per: per}, true
}

// Provider finds a provider by name.
func (m *Manifest) Provider(name string) (Provider, bool) {
	i := slices.IndexFunc(m.Providers, func(p Provider) bool { return p.Name == name })
	if i < 0 {
		return Provider{}, false
	}
	return m.Providers[i], true
}

// MissingProvider says what is wrong when an agent names a provider that is not there; it is "" when all is well.
func (m *Manifest) MissingProvider(agent, provider string) (problem, hint string) {
	if _, ok := m.Provider(provider); ok || provider == "" {
		return "", ""
	}
	names := make([]string, len(m.Providers))
	for i, p := range m.Providers {
		names[i] = p.Name
	}
	hint = fmt.Sprintf("add [providers.%s]", provider)
	if near := runtime.Nearest(provider, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return fmt.Sprintf("agent %q names the provider %q, which is not there", agent, provider), hint
}

// providersThere notes agents whose providers are not there.
func (m *Manifest) providersThere(agents *table) {
	for _, name := range agents.sortedKeys() {
		keys, _ := agents.m[name].(map[string]any)
		provider, _ := keys["provider"].(string)
		if problem, hint := m.MissingProvider(name, provider); problem != "" {
			agents.table(name).wrong("provider", hint, "%s", problem)
		}
	}
}
