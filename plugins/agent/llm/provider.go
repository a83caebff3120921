package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Provider is where a model is served and how one gets in.
type Provider struct {
	BaseURL string
	Model   string
	KeyEnv  string // name of the environment variable with the key
	Key     string // its value; never shown
	Client  *http.Client
}

// NewProvider checks the address and finds the key among the session's secrets and in the process's environment. A server
// on this machine needs no key.
func NewProvider(s *agent.Session, baseURL, model, keyEnv string) (*Provider, error) {
	u, err := url.Parse(baseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, agent.BadInput("base_url must be an http or https URL").WithField("base_url", "must be an http or https URL")
	}
	if u.User != nil {
		return nil, agent.BadInput("base_url must not hold a name or password; name the key's variable in api_key_env").
			WithField("base_url", "holds a name or password")
	}
	if model == "" {
		return nil, agent.BadInput("model is missing").WithField("model", "missing").WithHint(`set model = "..." in parallax.toml`)
	}
	p := &Provider{BaseURL: strings.TrimSuffix(baseURL, "/"), Model: model, KeyEnv: keyEnv, Client: newClient()}
	if p.Key = s.Secret(keyEnv); p.Key == "" {
		p.Key = os.Getenv(keyEnv)
	}
	if p.Key == "" && !loopback(u.Hostname()) {
		return nil, agent.Refuse("the key for %s is not there: the environment variable %s is not set", u.Host, keyEnv).
			WithCode("no_key").WithHint("export " + keyEnv + "=..., or name another variable with api_key_env")
	}
	s.Describe(model + " at " + u.Host)
	return p, nil
}

// Close lets go of idle connections.
func (p *Provider) Close() {
	if p != nil {
		p.Client.CloseIdleConnections()
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (ip != nil && ip.IsLoopback())
}

// maxAnswer is the most that is read of one answer of a provider, in bytes.
const maxAnswer = 64 << 20

func newClient() *http.Client {
	base := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	return &http.Client{Transport: capped{base}, CheckRedirect: refuseRedirect}
}

// errRedirect keeps keys from being sent elsewhere.
var errRedirect = errors.New("the server redirects to another address; name that address in base_url")

func refuseRedirect(*http.Request, []*http.Request) error { return errRedirect }

// capped is a transport whose answers end at maxAnswer. An answer with an error status is a *StatusError: client libraries
// read only the errors of the provider they are made for, and others word theirs differently.
type capped struct{ *http.Transport }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return nil, readStatus(res)
	}
	res.Body = &cappedBody{ReadCloser: res.Body, left: maxAnswer}
	return res, nil
}

type cappedBody struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("the server's answer is longer than 64 MiB")

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Explain turns an error of a client library into one of the protocol.
func (p *Provider) Explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*agent.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		return p.refused(e)
	}
	return p.failed(err)
}

// refused is what an answer with an error status means.
func (p *Provider) refused(e *StatusError) error {
	status, message := e.Status, p.clean(e.Message)
	after := RetryAfter(e.Header, time.Now())
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return p.locked(status)
	case status == http.StatusTooManyRequests && e.Code == "insufficient_quota":
		return agent.Refuse("the quota of the key in %s is used up", p.KeyEnv).WithCode(e.Code).WithHint("raise the quota at the provider")
	case status == http.StatusTooManyRequests:
		return agent.Overloaded(after, "%s limits requests (429)%s", p.host(), message).WithCode("rate_limit")
	case status == http.StatusNotFound:
		return agent.Refuse("%s does not have the model %q (404)%s", p.host(), p.Model, message).
			WithCode("no_model").WithHint("check model and base_url")
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status >= 500:
		return agent.Unavailable(after, "%s has a problem (%d)%s", p.host(), status, message).WithCode(strconv.Itoa(status))
	}
	return agent.BadInput("%s did not accept the request (%d)%s", p.host(), status, message).WithCode(strconv.Itoa(status))
}

// locked does not repeat what the provider says, for that often holds a part of the key.
func (p *Provider) locked(status int) error {
	if p.Key == "" {
		return agent.Refuse("%s wants a key (%d), and the environment variable %s is not set", p.host(), status, p.KeyEnv).
			WithCode("no_key").WithHint("export " + p.KeyEnv + "=..., or name another variable with api_key_env")
	}
	return agent.Refuse("%s does not accept the key in %s (%d)", p.host(), p.KeyEnv, status).
		WithCode("bad_key").WithHint("check the value of " + p.KeyEnv)
}

// failed is what an error without an HTTP status means: the network, a cut connection, something that is not the format.
func (p *Provider) failed(err error) error {
	if errors.Is(err, errRedirect) || errors.Is(err, errTooLong) {
		return agent.Refuse("%s: %s", p.host(), innermost(err))
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return agent.Unavailable(0, "cannot reach %s: %s", p.host(), p.clean(innermost(err).Error())[2:]).
			WithHint("check that the server runs and that base_url is right")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return p.Cut()
	}
	return agent.Unavailable(0, "%s sent something that cannot be read%s", p.host(), p.clean(err.Error()))
}

// Cut is the error of an answer that ended before its end.
func (p *Provider) Cut() error {
	return agent.Unavailable(0, "%s closed the connection in the middle of the answer", p.host()).WithCode("cut_off")
}

func (p *Provider) host() string {
	u, err := url.Parse(p.BaseURL)
	if err != nil {
		return "the server"
	}
	return u.Host
}

// clean is ": message" on one line, short and without the key; "" stays "".
func (p *Provider) clean(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if p.Key != "" {
		message = strings.ReplaceAll(message, p.Key, "***")
	}
	if message == "" {
		return ""
	}
	if runes := []rune(message); len(runes) > 500 {
		message = string(runes[:500]) + "..."
	}
	return ": " + message
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// longestWait bounds what a server may ask for.
const longestWait = 24 * time.Hour

// RetryAfter is how long a server asks to wait: Retry-After-Ms, or Retry-After in seconds or as a date. Zero means that it
// does not say.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(min(ms*float64(time.Millisecond), float64(longestWait)))
	}
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 {
		return time.Duration(min(s*float64(time.Second), float64(longestWait)))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), longestWait)
	}
	return 0
}

// Refusal is the error of a model that declines to answer.
func Refusal(model, words string) error {
	if words = strings.TrimSpace(words); words == "" {
		return agent.Refuse("the model %s declined to answer", model).WithCode("refusal")
	}
	return agent.Refuse("the model %s declined to answer: %s", model, fmt.Sprintf("%.300s", words)).WithCode("refusal")
}
