package market

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Client talks to hosts of packages.
type Client struct {
	// HTTP is used for requests. Nil means one with sensible bounds that follows redirects to HTTPS only.
	HTTP *http.Client
	// Bases are URLs to be used instead of https://HOST, by host: mirrors, and servers of tests. That of "*" is for all others, whose names follow it.
	Bases map[string]string
	// Token gives what private repositories of a host are read with, or "". It is not sent to any other host.
	Token func(host string) string
	// Agent is the User-Agent.
	Agent string
	// Attempts is how often a request is made that fails for a while. Zero means 4.
	Attempts int
	// Wait waits between attempts. Nil waits.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the time. Nil means time.Now.
	Now func() time.Time
}

// Bounds of downloads.
const (
	maxAttempts = 4
	firstPause  = 500 * time.Millisecond
	maxPause    = 20 * time.Second // that a host may ask for; beyond that it is told to a person
	maxText     = 1 << 20
	maxRefs     = 32 << 20
	maxPattern  = 64 << 20
	maxAgent    = 512 << 20
	headTime    = 30 * time.Second
	bodyTime    = 15 * time.Minute
)

// ReadBases reads "github.com=http://127.0.0.1:8080,ghe.example.org=https://mirror" as PARALLAX_HOSTS has it. Plain HTTP is for this machine only. A folder, as in
// "*=/srv/mirror", is a mirror that parallax mirror made.
func ReadBases(text string) (map[string]string, error) {
	bases := make(map[string]string)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		host, base, _ := strings.Cut(item, "=")
		if filepath.IsAbs(base) {
			base = fileURL(base)
		}
		u, err := url.Parse(base)
		if err != nil || u.Host == "" && u.Scheme != "file" || u.RawQuery != "" || !askable(u) {
			return nil, wrongf(BadName, "write PARALLAX_HOSTS=github.com=https://mirror.example.org, or PARALLAX_HOSTS=*=/srv/mirror", "PARALLAX_HOSTS: %q is not HOST=https://...", item)
		}
		bases[host] = strings.TrimSuffix(base, "/")
	}
	return bases, nil
}

// askable says whether a person may name a URL: one that may be followed to, or a file.
func askable(u *url.URL) bool {
	return allowed(u) || u.Scheme == "file" && u.Host == "" && u.Path != ""
}

// allowed says whether a URL may be followed to: HTTPS, or plain HTTP on this machine.
func allowed(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (c *Client) base(host string) string {
	if b, ok := c.Bases[host]; ok {
		return b
	}
	if b, ok := c.Bases["*"]; ok {
		return b + "/" + hostFolder(host)
	}
	return "https://" + host
}

// hostFolder is the name of a host in a mirror. Not all file systems have colons.
func hostFolder(host string) string { return strings.ReplaceAll(host, ":", "_") }

// rebased is the URL that is asked in place of another.
func (c *Client) rebased(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	if base := c.base(u.Host); base != "https://"+u.Host {
		return base + u.EscapedPath()
	}
	return address
}

// mirrored says whether a host is stood for by a folder.
func (c *Client) mirrored(host string) bool { return strings.HasPrefix(c.base(host), "file:") }

// api is the URL of a host's REST API.
func (c *Client) api(host string) string {
	if host == "github.com" && c.base(host) == "https://github.com" {
		return "https://api.github.com"
	}
	return c.base(host) + "/api/v3"
}

// token is that of a host, which nobody else gets: not who stands for it, unless that is on this machine.
func (c *Client) token(host string) string {
	if c.Token == nil {
		return ""
	}
	if u, err := url.Parse(c.base(host)); err != nil || u.Host != host && !loopback(u.Hostname()) {
		return ""
	}
	return c.Token(host)
}

// NewHTTP makes the client that is used unless another is given.
func NewHTTP() *http.Client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: headTime}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   headTime,
		ResponseHeaderTimeout: headTime,
		IdleConnTimeout:       headTime,
	}
	t.RegisterProtocol("file", folders{})
	return &http.Client{
		Transport: t,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 5 {
				return errors.New("it redirects too often")
			}
			if !allowed(req.URL) || loopback(req.URL.Hostname()) && !loopback(via[0].URL.Hostname()) {
				return fmt.Errorf("it redirects to %s, which is not HTTPS, or is this machine", req.URL.Redacted())
			}
			return nil
		},
	}
}

// request is one thing to be got.
type request struct {
	url    string
	host   string // of packages, for messages and the token
	accept string
	auth   string // the header Authorization, or ""
	max    int64  // bytes
	method string // "" is GET
	once   bool   // one attempt is enough: there is something to fall back on
	etag   string // of what is known already, or ""

	head func(http.Header) // is told the header of the answer; or nil
	part *part             // where it goes, if that can be continued; or nil
}

// errUnchanged says that what is known by its etag is what there is.
var errUnchanged = errors.New("it has not changed")

// statusError is an answer that is not the one wanted.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s answered %d", e.url, e.code) }

// absent says that what was asked for is not there, or not for us.
func absent(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && (e.code == http.StatusNotFound || e.code == http.StatusUnauthorized || e.code == http.StatusForbidden || e.code == http.StatusGone)
}

// get reads what a URL gives into sink, which begins anew with each attempt.
func (c *Client) get(ctx context.Context, r request, sink func(io.Reader) error) error {
	if u, err := url.Parse(r.url); err != nil || !askable(u) {
		return wrongf(Network, "", "%s is not an HTTPS address", r.url)
	}
	var err error
	attempts := c.attempts()
	if r.once {
		attempts = 1
	}
	for attempt, came := 0, int64(0); ; attempt++ {
		var pause time.Duration
		pause, err = c.attempt(ctx, r, sink)
		if r.part.resumable() && r.part.size > came { // it goes on, if slowly
			attempt, came = 0, r.part.size
		}
		if err == nil || pause < 0 || attempt >= attempts-1 {
			break
		}
		if err := c.wait(ctx, max(pause, backoff(attempt))); err != nil {
			return err
		}
	}
	return err
}

func (c *Client) attempts() int { return cmp.Or(c.Attempts, maxAttempts) }

// backoff is half a second, doubled with each attempt, and up to half as much again.
func backoff(attempt int) time.Duration {
	d := firstPause << attempt
	return d + rand.N(d/2) //nolint:gosec // spreads requests
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// never says that another attempt will not help.
const never = time.Duration(-1)

// attempt asks once. pause is how long to wait before asking again.
func (c *Client) attempt(ctx context.Context, r request, sink func(io.Reader) error) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, bodyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.url, nil)
	if err != nil {
		return never, err
	}
	req.Header.Set("User-Agent", c.Agent)
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.auth != "" {
		req.Header.Set("Authorization", r.auth)
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	if r.part != nil {
		r.part.ask(req.Header)
	}
	res, err := c.client().Do(req)
	if err != nil {
		return 0, c.unreachable(ctx, r, err)
	}
	defer res.Body.Close()
	if pause, err := c.answered(r, res); err != nil {
		return pause, err
	}
	if r.head != nil {
		r.head(res.Header)
	}
	body := &counted{r: res.Body, left: r.max}
	if r.part != nil {
		if err := r.part.begins(res); err != nil {
			return c.anew(r, err)
		}
		body.left -= r.part.size
	}
	err = sink(body)
	switch {
	case body.left < 0:
		return never, wrongf(Unsafe, "", "%s is larger than %d MiB", r.url, r.max>>20)
	case body.err != nil && ctx.Err() == nil:
		return 0, wrongf(Network, "try again later", "%s broke off: %w", r.url, body.err)
	case err != nil:
		return never, err
	case res.ContentLength >= 0 && body.got != res.ContentLength:
		return 0, wrongf(Network, "try again later", "%s broke off after %d of %d bytes", r.url, body.got, res.ContentLength)
	}
	return 0, nil
}

// anew forgets the part of a download that does not go on.
func (c *Client) anew(r request, why error) (pause time.Duration, err error) {
	if !errors.Is(why, errElsewhere) {
		return never, why
	}
	if err := r.part.restart(""); err != nil {
		return never, err
	}
	return 0, wrongf(Network, "try again later", "%s: %w", r.url, why)
}

func (c *Client) client() *http.Client {
	if c.HTTP == nil {
		c.HTTP = NewHTTP()
	}
	return c.HTTP
}

func (c *Client) unreachable(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return wrongf(Network, "check the network; what is installed works without it", "%s cannot be reached: %w", r.host, err)
}

// answered judges the status of an answer.
func (c *Client) answered(r request, res *http.Response) (pause time.Duration, err error) {
	switch {
	case res.StatusCode == http.StatusOK, res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusPartialContent && r.part.resumable():
		return 0, nil
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && r.part.resumable():
		return c.anew(r, errElsewhere)
	case res.StatusCode == http.StatusNotModified && r.etag != "":
		return never, errUnchanged
	case limited(res):
		return c.limit(r, res)
	case res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout:
		return 0, wrongf(Network, "try again later", "%w", &statusError{r.url, res.StatusCode})
	}
	return never, &statusError{r.url, res.StatusCode}
}

// limited says whether the host wants no more requests for now.
func limited(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return res.Header.Get("X-Ratelimit-Remaining") == "0" || res.Header.Get("Retry-After") != ""
	}
	return false
}

// limit says until when.
func (c *Client) limit(r request, res *http.Response) (pause time.Duration, err error) {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	until := now().Add(time.Minute)
	if s, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 32); err == nil {
		until = now().Add(time.Duration(s) * time.Second)
	} else if s, err := strconv.ParseInt(res.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
		until = time.Unix(s, 0)
	}
	if pause = until.Sub(now()); pause <= maxPause {
		pause = max(pause, 0)
	} else {
		pause = never
	}
	hint := "try again then"
	if c.token(r.host) == "" {
		hint += ", or set GITHUB_TOKEN, which allows more"
	}
	return pause, wrongf(RateLimited, hint, "%s wants no more requests until %s", r.host, until.Local().Format("15:04:05 on 2 January"))
}

// counted is a body of which no more than left bytes are read, and a note of how it ended.
type counted struct {
	r    io.Reader
	left int64
	got  int64
	err  error // of the network
}

var errTooLarge = errors.New("too large")

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.got += int64(n)
	if c.left -= int64(n); c.left < 0 {
		return 0, errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// text reads a small answer.
func (c *Client) text(ctx context.Context, r request) ([]byte, error) {
	var text []byte
	err := c.get(ctx, r, func(body io.Reader) (err error) {
		text, err = io.ReadAll(body)
		return err
	})
	return text, err
}
