// Package web is how bundled agents speak to a server by HTTP: with headers whose values are secrets, to that server alone, without following
// redirects, through the gateway of a sandbox where there is one, and with errors that say what to do.
package web

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
	"github.com/parallax-run/parallax/plugins/process"
)

// Site is a server. It is an http.RoundTripper whose errors are *agent.Error.
type Site struct {
	Host    string
	Shown   string          // its URL without what may be secret in it
	Secrets process.Secrets // values of its headers

	origin  string // scheme and host
	gateway string // the URL where requests to it go instead, or ""
	header  http.Header
	names   []string // of the variables with credentials
	most    int      // bytes of one body
	base    *http.Transport
}

// Settings are what a configuration says of a server.
type Settings struct {
	URL       string
	Headers   map[string]string
	HeaderEnv []string // "Header: VARIABLE" each
	Most      int      // bytes of one body that is no stream of events
}

// Check says what is wrong with a URL.
func Check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return agent.BadInput("url must be an http or https URL").WithField("url", "must be an http or https URL")
	case u.User != nil:
		return agent.BadInput("url must not hold a name or password; use header_env").WithField("url", "holds a name or password")
	}
	return nil
}

// Open makes a Site of settings whose URL is right, with the secrets of a session.
func Open(s *agent.Session, set Settings) (*Site, error) {
	u, err := url.Parse(set.URL)
	if err != nil {
		return nil, Check(set.URL)
	}
	site := &Site{
		Host: u.Host, Shown: u.Scheme + "://" + u.Host + u.Path, origin: origin(u), header: http.Header{}, most: set.Most,
		base: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second,
		},
	}
	for name, value := range set.Headers {
		site.header.Set(name, value)
	}
	for _, pair := range set.HeaderEnv {
		if err := site.secret(s, pair); err != nil {
			return nil, err
		}
	}
	_, name, _ := Gateway(set.URL, set.HeaderEnv)
	site.gateway = os.Getenv("PARALLAX_GATEWAY_" + name)
	return site, nil
}

// secret adds a header whose value is one.
func (s *Site) secret(session *agent.Session, pair string) error {
	name, variable, ok := cutHeader(pair)
	if !ok {
		return agent.BadInput(`header_env: write "Header: VARIABLE"`).WithField("header_env", `not "Header: VARIABLE"`)
	}
	value := session.Secret(variable)
	if value == "" {
		return agent.Refuse("the environment variable %s is not set", variable).WithCode("no_key").
			WithHint("export " + variable + "=...; an agent with permissions needs it among its secrets too")
	}
	s.header.Set(name, value)
	s.names, s.Secrets = append(s.names, variable), append(s.Secrets, value)
	return nil
}

// cutHeader reads "Header: VARIABLE".
func cutHeader(pair string) (header, variable string, ok bool) {
	header, variable, ok = strings.Cut(pair, ":")
	header, variable = strings.TrimSpace(header), strings.TrimSpace(variable)
	return header, variable, ok && header != "" && variable != "" && !strings.ContainsAny(variable, " =")
}

// Names are the environment variables that headers come from, sorted.
func Names(headerEnv []string) []string {
	var names []string
	for _, pair := range headerEnv {
		if _, name, ok := cutHeader(pair); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Gateway is what a sandbox puts between an agent and its server: the server without a path, and the header of the first secret, whose value
// the agent then does not have. A server without a secret has the name SERVER.
func Gateway(raw string, headerEnv []string) (server, secret, header string) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", "SERVER", ""
	}
	if len(headerEnv) > 0 {
		header, secret, _ = cutHeader(headerEnv[0])
	}
	return origin(u), cmp.Or(secret, "SERVER"), header
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// Client is for all requests to the server. Its responses are bounded, streams of events excepted.
func (s *Site) Client() *http.Client {
	return &http.Client{Transport: s, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Close closes connections that nobody uses.
func (s *Site) Close() { s.base.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper: it adds the headers, and makes errors of codes which say that the server did not listen.
func (s *Site) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if err := s.address(req); err != nil {
		return nil, err
	}
	res, err := s.base.RoundTrip(req)
	if err != nil {
		if req.Context().Err() != nil {
			return nil, err
		}
		return nil, s.unreachable(err)
	}
	if err := s.status(req, res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		res.Body = &bounded{ReadCloser: res.Body, left: s.most, site: s}
	}
	return res, nil
}

// address gives a request its headers, and its way.
func (s *Site) address(req *http.Request) error {
	if other := origin(req.URL); other != s.origin {
		if len(s.names) == 0 {
			return nil
		}
		return agent.Refuse("%s sends to %s, which does not get the credentials in %s", s.Host, req.URL.Host, strings.Join(s.names, " and ")).
			WithCode("elsewhere").WithHint("put the address of " + req.URL.Host + " into url if you trust it with them")
	}
	for name, values := range s.header {
		req.Header[name] = values
	}
	if s.gateway == "" {
		return nil
	}
	through := s.gateway + req.URL.EscapedPath()
	if req.URL.RawQuery != "" {
		through += "?" + req.URL.RawQuery
	}
	u, err := url.Parse(through)
	if err != nil {
		return err
	}
	req.URL, req.Host = u, u.Host
	return nil
}

// status is what a response that is no answer means; nil for one that the protocol above understands.
func (s *Site) status(req *http.Request, res *http.Response) error {
	code := res.StatusCode
	after := llm.RetryAfter(res.Header, time.Now())
	switch {
	case code/100 == 3:
		return agent.Refuse("%s redirects (%d), and redirects are not followed", s.Host, code).
			WithCode("redirect").WithHint("put the final address into url")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return s.locked(code)
	case code == http.StatusTooManyRequests:
		return agent.Overloaded(after, "%s limits requests (429)", s.Host).WithCode("rate_limit")
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code >= 500 && req.Method == http.MethodPost:
		return agent.Unavailable(after, "%s has a problem (%d)", s.Host, code).WithCode(strconv.Itoa(code))
	}
	return nil
}

func (s *Site) locked(code int) error {
	if len(s.names) == 0 {
		return agent.Refuse("%s wants to know who asks (%d)", s.Host, code).
			WithCode("no_key").WithHint("name a variable with the credentials in header_env")
	}
	names := strings.Join(s.names, " and ")
	return agent.Refuse("%s does not accept the credentials in %s (%d)", s.Host, names, code).
		WithCode("bad_key").WithHint("check the value of " + names)
}

func (s *Site) unreachable(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next // the outer ones hold the URL
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return agent.Unavailable(0, "%s closed the connection without an answer", s.Host).WithCode("cut_off")
	}
	return agent.Unavailable(0, "cannot reach %s: %s", s.Host, s.Secrets.Clean(fmt.Sprintf("%.300s", err.Error()))).
		WithHint("check that the server runs and that url is right")
}

// bounded is a body of at most so many bytes.
type bounded struct {
	io.ReadCloser

	left int
	site *Site
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, agent.Refuse("%s answered with more than %d bytes", b.site.Host, b.site.most).
			WithCode("too_long").WithHint("raise max_response in parallax.toml")
	}
	return n, err
}
