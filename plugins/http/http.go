// Package http is the agent that asks a web service: it posts the task and the inputs as JSON and takes the answer from what
// comes back.
//
//	[agents.pricing]
//	use = "http"
//	url = "https://agents.example.com/price"   # required
//	headers = {X-Team = "billing"}             # further headers; never secrets
//	header_env = ["Authorization: PRICE_AUTH"] # headers whose values stand in environment variables
//	secret_env = "PRICE_SECRET"                # name of the variable with the key that signs requests; see below
//	max_response = 8388608                     # the default, in bytes
//
// # Request
//
// A POST with Content-Type application/json and the header Idempotency-Key, which is the same for every attempt at one call:
//
//	{"call_id": "run/1", "attempt": 1, "agent": "pricing", "task": "...", "input": {...},
//	 "messages": [...], "output_schema": {...}, "feedback": "..."}
//
// messages, output_schema and feedback are there only if the script gave them.
//
// # Signature
//
// With secret_env the request carries two headers. X-Parallax-Timestamp is the Unix time in seconds. X-Parallax-Signature is
// "v1=" and the hexadecimal HMAC-SHA256, under the secret, of the timestamp, a dot, and the body exactly as sent:
//
//	v1=hex(hmac_sha256(secret, timestamp + "." + body))
//
// The receiver computes the same, compares in constant time, and refuses timestamps that are more than a few minutes old.
//
// # Response
//
// A 2xx with a JSON object that has the field "value" is an answer in full; the other fields are optional:
//
//	{"value": ..., "confidence": 0.9, "basis": "verifier", "reasoning": "...", "finish": "stop",
//	 "usage": {"input_tokens": 10, "output_tokens": 20, "cost_microusd": 30, "model": "..."}}
//
// Any other JSON is the value itself; 204 is null. A body that is not JSON, or longer than max_response, is an error.
//
// # Failures
//
// 429 is overloaded and 408, 425 and 5xx are unavailable, with the server's Retry-After; 401 and 403 name the variables of
// the secrets; other codes refuse the call with the "error" or "message" of the body. Redirects are not followed: the body and
// its signature would go to an address that nobody configured.
package http

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers,omitempty"`
	HeaderEnv   []string          `json:"header_env,omitempty"`
	SecretEnv   string            `json:"secret_env,omitempty"`
	MaxResponse int64             `json:"max_response,omitempty"`

	host   string
	header http.Header
	secret []byte
	hidden []string // values that must not be shown
	names  []string // of the variables they come from
	client *http.Client
}

const defaultResponse = 8 << 20 // bytes

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "http",
		Version:     "1.0.0",
		Description: "Posts the task and the inputs to a web service.",
	}, answer)
}

// Secrets are the names of the environment variables that a configuration reads, which must be set.
func Secrets(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	var names []string
	for _, pair := range c.HeaderEnv {
		if _, name, ok := cutHeader(pair); ok {
			names = append(names, name)
		}
	}
	if c.SecretEnv != "" {
		names = append(names, c.SecretEnv)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Open implements agent.Opener.
func (c *Config) Open(_ context.Context, s *agent.Session) error {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return agent.BadInput("url must be an http or https URL").WithField("url", "must be an http or https URL")
	}
	if u.User != nil {
		return agent.BadInput("url must not hold a name or password; use header_env").WithField("url", "holds a name or password")
	}
	if c.MaxResponse == 0 {
		c.MaxResponse = defaultResponse
	}
	if c.MaxResponse < 0 {
		return agent.BadInput("max_response must not be below zero").WithField("max_response", "must not be below zero")
	}
	c.host = u.Host
	s.Describe(u.Scheme + "://" + u.Host + u.Path)
	if err := c.readHeaders(s); err != nil {
		return err
	}
	c.client = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// Close implements agent.Closer.
func (c *Config) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// readHeaders puts the headers together and reads the secrets.
func (c *Config) readHeaders(s *agent.Session) error {
	c.header = http.Header{}
	for name, value := range c.Headers {
		c.header.Set(name, value)
	}
	for _, pair := range c.HeaderEnv {
		name, variable, ok := cutHeader(pair)
		if !ok {
			return agent.BadInput(`header_env: write "Header: VARIABLE"`).WithField("header_env", `not "Header: VARIABLE"`)
		}
		value, err := c.secretOf(s, variable)
		if err != nil {
			return err
		}
		c.header.Set(name, value)
	}
	if c.SecretEnv == "" {
		return nil
	}
	value, err := c.secretOf(s, c.SecretEnv)
	c.secret = []byte(value)
	return err
}

// cutHeader reads "Header: VARIABLE".
func cutHeader(pair string) (header, variable string, ok bool) {
	header, variable, ok = strings.Cut(pair, ":")
	header, variable = strings.TrimSpace(header), strings.TrimSpace(variable)
	return header, variable, ok && header != "" && variable != "" && !strings.ContainsAny(variable, " =")
}

func (c *Config) secretOf(s *agent.Session, name string) (string, error) {
	value := s.Secret(name)
	if value == "" {
		value = os.Getenv(name)
	}
	if value == "" {
		return "", agent.Refuse("the environment variable %s is not set", name).WithCode("no_key").WithHint("export " + name + "=...")
	}
	c.hidden, c.names = append(c.hidden, value), append(c.names, name)
	return value, nil
}
