package process

import (
	"bytes"
	"errors"
	"os"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// ErrTooMuch is why a run ended that printed more than a Capture holds.
var ErrTooMuch = errors.New("it prints too much")

// Capture keeps what is written to it up to Max bytes; the write that goes beyond fails with ErrTooMuch.
type Capture struct {
	Max int

	kept bytes.Buffer
}

// Write implements io.Writer.
func (c *Capture) Write(b []byte) (int, error) {
	if room := c.Max - c.kept.Len(); len(b) > room {
		c.kept.Write(b[:max(room, 0)])
		return 0, ErrTooMuch
	}
	return c.kept.Write(b)
}

// Bytes is what was kept.
func (c *Capture) Bytes() []byte { return c.kept.Bytes() }

// Secrets are values that are not shown.
type Secrets []string

// Clean is a text as UTF-8, without the values of secrets.
func (s Secrets) Clean(text string) string {
	for _, secret := range s {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Inherit is the environment of an agent's programs: that of this process, which the host has kept small, without the
// protocol's own variables, and the secrets that the session was granted, whose values it gives beside it.
func Inherit(s *agent.Session) (environ []string, secrets Secrets) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if name != agentpb.CookieKey && name != agentpb.StdinWatch && !strings.HasPrefix(name, "PLUGIN_") {
			environ = append(environ, pair)
		}
	}
	for _, name := range s.Secrets() {
		environ = append(environ, name+"="+s.Secret(name))
		secrets = append(secrets, s.Secret(name))
	}
	return environ, secrets
}

// LastWords is ": " and the end of the first of the texts that is not blank, or "".
func LastWords(texts ...string) string {
	const most = 2000 // bytes
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if len(text) > most {
			text = "..." + strings.ToValidUTF8(text[len(text)-most:], "")
		}
		if text != "" {
			return ": " + text
		}
	}
	return ""
}
