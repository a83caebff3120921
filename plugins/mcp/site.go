package mcp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
	"github.com/parallax-run/parallax/plugins/process"
)

// site is a server that is reached by streamable HTTP.
type site struct {
	url     string
	shown   string // the URL without what may be secret in it
	host    string
	header  http.Header
	names   []string // of the variables with credentials
	secrets process.Secrets
	most    int // bytes of one message
}

func newSite(c *Config, s *agent.Session) (*site, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, agent.BadInput("url must be an http or https URL").WithField("url", "wrong")
	}
	site := &site{url: c.URL, shown: u.Scheme + "://" + u.Host + u.Path, host: u.Host, header: http.Header{}, most: c.MaxResponse}
	for name, value := range c.Headers {
		site.header.Set(name, value)
	}
	for _, pair := range c.HeaderEnv {
		name, variable, ok := cutHeader(pair)
		if !ok {
			return nil, agent.BadInput(`header_env: write "Header: VARIABLE"`).WithField("header_env", `not "Header: VARIABLE"`)
		}
		value := s.Secret(variable)
		if value == "" {
			value = os.Getenv(variable)
		}
		if value == "" {
			return nil, agent.Refuse("the environment variable %s is not set", variable).WithCode("no_key").
				WithHint("export " + variable + "=...; an agent with permissions needs it among its secrets too")
		}
		site.header.Set(name, value)
		site.names, site.secrets = append(site.names, variable), append(site.secrets, value)
	}
	c.secrets = site.secrets
	return site, nil
}

// cutHeader reads "Header: VARIABLE".
func cutHeader(pair string) (header, variable string, ok bool) {
	header, variable, ok = strings.Cut(pair, ":")
	header, variable = strings.TrimSpace(header), strings.TrimSpace(variable)
	return header, variable, ok && header != "" && variable != "" && !strings.ContainsAny(variable, " =")
}

func (s *site) name() string { return s.host }

// dial implements server.
func (s *site) dial(context.Context) (line, error) {
	return &visit{site: s, base: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
	}}, nil
}

// visit is the requests of one session. It is their http.RoundTripper.
type visit struct {
	site *site
	base *http.Transport
}

// transport implements line.
func (v *visit) transport() mcp.Transport {
	return &mcp.StreamableClientTransport{Endpoint: v.site.url, MaxEventSize: v.site.most, HTTPClient: &http.Client{
		Transport:     v,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// hangUp implements line.
func (v *visit) hangUp() { v.base.CloseIdleConnections() }

// broken implements line.
func (v *visit) broken() error { return nil }

// RoundTrip implements http.RoundTripper: it adds the headers, and makes errors of codes that say that the server was not asked.
func (v *visit) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range v.site.header {
		req.Header[name] = values
	}
	res, err := v.base.RoundTrip(req)
	if err != nil {
		if req.Context().Err() != nil {
			return nil, err
		}
		return nil, v.site.unreachable(err)
	}
	if req.Method == http.MethodPost {
		if err := v.site.status(res); err != nil {
			_ = res.Body.Close()
			return nil, err
		}
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		res.Body = &bounded{ReadCloser: res.Body, left: v.site.most, site: v.site}
	}
	return res, nil
}

// status is what a response that is no answer means; nil for one that the library understands.
func (s *site) status(res *http.Response) error {
	code := res.StatusCode
	after := llm.RetryAfter(res.Header, time.Now())
	switch {
	case code/100 == 3:
		return agent.Refuse("%s redirects (%d), and redirects are not followed", s.host, code).
			WithCode("redirect").WithHint("put the final address into url")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return s.locked(code)
	case code == http.StatusTooManyRequests:
		return agent.Overloaded(after, "%s limits requests (429)", s.host).WithCode("rate_limit")
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code >= 500:
		return agent.Unavailable(after, "%s has a problem (%d)", s.host, code).WithCode(strconv.Itoa(code))
	}
	return nil
}

func (s *site) locked(code int) error {
	if len(s.names) == 0 {
		return agent.Refuse("%s wants to know who asks (%d)", s.host, code).
			WithCode("no_key").WithHint("name a variable with the credentials in header_env")
	}
	names := strings.Join(s.names, " and ")
	return agent.Refuse("%s does not accept the credentials in %s (%d)", s.host, names, code).
		WithCode("bad_key").WithHint("check the value of " + names)
}

func (s *site) unreachable(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return agent.Unavailable(0, "%s closed the connection without an answer", s.host).WithCode("cut_off")
	}
	return agent.Unavailable(0, "cannot reach %s: %s", s.host, s.secrets.Clean(shorten(err.Error(), 300))).
		WithHint("check that the server runs and that url is right")
}

// bounded is a body of at most so many bytes.
type bounded struct {
	io.ReadCloser

	left int
	site *site
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, agent.Refuse("%s answered with more than %d bytes", b.site.host, b.site.most).
			WithCode("too_long").WithHint("raise max_response in parallax.toml")
	}
	return n, err
}
