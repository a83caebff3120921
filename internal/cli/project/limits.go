package project

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/internal/manifest"
)

// LimitsDir is where the processes of this user meet at the limits of agents; "" when there is no place for it.
func LimitsDir(app *cli.App) string {
	if state := app.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "parallax-limits")
	}
	for _, home := range []string{app.Getenv("HOME"), app.Getenv("USERPROFILE")} {
		if filepath.IsAbs(home) {
			return filepath.Join(home, ".local", "state", "parallax-limits")
		}
	}
	return ""
}

// Limits makes the limits that this process shares with the others of this user.
func Limits(app *cli.App, log *slog.Logger) *limiter.Limits {
	return limiter.New(limiter.Options{Dir: LimitsDir(app), Log: log})
}

// LimitsOf gives the limits of each agent that has some: its own, and then that of the provider that it asks. Agents that ask a web
// service and name no provider share one with all that ask the same host with the same key, so that a pause for which it asks holds
// back all of them.
func LimitsOf(app *cli.App, m *manifest.Manifest) map[string][]limiter.Limit {
	of := make(map[string][]limiter.Limit)
	hosts := hostsOf(m)
	for i := range m.Agents {
		a := &m.Agents[i]
		var list []limiter.Limit
		if a.MaxConcurrency > 0 || a.Rate.Calls > 0 {
			list = append(list, limiter.Limit{
				Kind: limiter.Agent, Name: a.Name, Identity: strings.Join([]string{m.Dir, a.Provider, a.Use, a.Config.Digest()}, "\n"),
				Concurrency: a.MaxConcurrency, Rate: limiter.Rate(a.Rate),
			})
		}
		if p, ok := provider(app, m, a, hosts); ok {
			list = append(list, p)
		}
		if len(list) > 0 {
			of[a.Name] = list
		}
	}
	return of
}

// provider is the limit of the provider that an agent asks.
func provider(app *cli.App, m *manifest.Manifest, a *manifest.Agent, hosts map[string][]string) (limiter.Limit, bool) {
	if p, ok := m.Provider(a.Provider); ok {
		identity := cmp.Or(strings.Join(hosts[p.Name], "\n"), m.Dir)
		return limiter.Limit{
			Kind: limiter.Provider, Name: p.Name, Identity: identity, Concurrency: p.MaxConcurrency, Rate: limiter.Rate(p.Rate),
		}, true
	}
	host := hostOf(a)
	if host == "" {
		return limiter.Limit{}, false
	}
	return limiter.Limit{Kind: limiter.Provider, Name: host, Identity: "by host\n" + keyOf(app, a)}, true
}

// keyOf is a digest of the secrets with which an agent asks.
func keyOf(app *cli.App, a *manifest.Agent) string {
	h := sha256.New()
	for _, name := range Secrets(app, a) {
		_, _ = h.Write([]byte(app.Getenv(name) + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hostsOf gives the hosts that the agents of each provider ask, sorted: providers of one name in two projects are one if they ask the same,
// and are two if nothing is known of that.
func hostsOf(m *manifest.Manifest) map[string][]string {
	hosts := make(map[string][]string)
	for i := range m.Agents {
		a := &m.Agents[i]
		if host := hostOf(a); host != "" && a.Provider != "" {
			hosts[a.Provider] = append(hosts[a.Provider], host)
		}
	}
	for name, list := range hosts {
		slices.Sort(list)
		hosts[name] = slices.Compact(list)
	}
	return hosts
}

// hostOf is the host of the web service that a bundled agent asks, with its port, or "".
func hostOf(a *manifest.Agent) string {
	var c struct {
		BaseURL string `json:"base_url"`
		URL     string `json:"url"`
	}
	if json.Unmarshal(a.Config, &c) != nil {
		return ""
	}
	address := ""
	switch a.Use {
	case "openai":
		address = cmp.Or(c.BaseURL, "https://api.openai.com")
	case "anthropic":
		address = cmp.Or(c.BaseURL, "https://api.anthropic.com")
	case "http":
		address = c.URL
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
