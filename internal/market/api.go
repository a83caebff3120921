package market

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// API asks the REST API of a host in somebody's name: for what reading packages does not need.
type API struct {
	Client *Client
	Host   string
}

// StatusError is an answer of the API that is not a success.
type StatusError struct {
	Status  int
	Request string // "GET /repos/acme/debate"
	Said    string // by the host, or ""
}

func (e *StatusError) Error() string {
	said := e.Said
	if said == "" {
		said = http.StatusText(e.Status)
	}
	return fmt.Sprintf("%s was answered %d: %s", e.Request, e.Status, said)
}

// Named says whether there is a token by which the host knows who asks.
func (a API) Named() bool { return a.Client.token(a.Host) != "" }

// Get reads what the API has at a path such as /repos/acme/debate. It is asked again where that may help.
func (a API) Get(ctx context.Context, path string, out any) error {
	for attempt := 1; ; attempt++ {
		pause, err := a.do(ctx, http.MethodGet, path, nil, out)
		if err == nil || pause < 0 || attempt == a.Client.attempts() {
			return err
		}
		if err := a.Client.wait(ctx, max(pause, backoff(attempt-1))); err != nil {
			return err
		}
	}
}

// Send changes something: method is POST, PUT, PATCH or DELETE, in is sent and out read as JSON, unless they are nil. It is tried once: who calls
// it knows what a second time would do.
func (a API) Send(ctx context.Context, method, path string, in, out any) error {
	_, err := a.do(ctx, method, path, in, out)
	return err
}

// do asks once. pause is how long to wait before asking again.
func (a API) do(ctx context.Context, method, path string, in, out any) (pause time.Duration, err error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return never, err
		}
		body = bytes.NewReader(text)
	}
	req, err := a.request(ctx, method, a.Client.api(a.Host)+path, body)
	if err != nil {
		return never, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return a.answer(req, method+" "+path, out)
}

// Upload sends a file to a path of the host that takes uploads, once.
func (a API) Upload(ctx context.Context, path, file string, out any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	base := "https://uploads.github.com"
	if _, other := a.Client.Bases[a.Host]; other || a.Host != "github.com" {
		base = a.Client.base(a.Host) + "/api/uploads"
	}
	req, err := a.request(ctx, http.MethodPost, base+path, f)
	if err != nil {
		return err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", "application/octet-stream")
	bare, _, _ := strings.Cut(path, "?")
	_, err = a.answer(req, "POST "+bare, out)
	return err
}

// Download reads the file that the API has at a path, of at most limit bytes.
func (a API) Download(ctx context.Context, path string, limit int64, sink func(io.Reader) error) error {
	r := request{url: a.Client.api(a.Host) + path, host: a.Host, max: limit, accept: "application/octet-stream"}
	if token := a.Client.token(a.Host); token != "" {
		r.auth = "Bearer " + token
	}
	return a.Client.get(ctx, r, sink)
}

func (a API) request(ctx context.Context, method, address string, body io.Reader) (*http.Request, error) {
	if u, err := url.Parse(address); err != nil || !allowed(u) {
		return nil, wrongf(Network, "", "%s is not an HTTPS address", address)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", a.Client.Agent)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-Github-Api-Version", "2022-11-28")
	if token := a.Client.token(a.Host); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// answer sends a request and reads what is answered.
func (a API) answer(req *http.Request, what string, out any) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeout(req.Context(), bodyTime)
	defer cancel()
	r := request{url: req.URL.Redacted(), host: a.Host}
	res, err := a.Client.client().Do(req.WithContext(ctx))
	if err != nil {
		return 0, a.Client.unreachable(req.Context(), r, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return 0, wrongf(Network, "try again later", "%s broke off: %w", what, err)
	case limited(res):
		return a.Client.limit(r, res)
	case res.StatusCode >= http.StatusInternalServerError:
		return 0, wrongf(Network, "try again later", "%w", &StatusError{res.StatusCode, what, said(text)})
	case res.StatusCode == http.StatusUnauthorized:
		return never, wrongf(Denied, "make one, and set "+tokenName(a.Host), "%s wants a token that it knows: %w", a.Host, &StatusError{res.StatusCode, what, said(text)})
	case res.StatusCode == http.StatusForbidden:
		return never, wrongf(Denied, tokenName(a.Host)+" needs the scope public_repo, or as a fine-grained token write access to contents and pull requests",
			"%s does not let this token do that: %w", a.Host, &StatusError{res.StatusCode, what, said(text)})
	case res.StatusCode >= http.StatusMultipleChoices:
		return never, &StatusError{res.StatusCode, what, said(text)}
	}
	if out == nil || len(text) == 0 {
		return 0, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return 0, wrongf(Network, "", "%s was answered what cannot be read: %w", what, err)
	}
	return 0, nil
}

// maxAnswer is how much is read of an answer of the API.
const maxAnswer = 16 << 20

// tokenName is the variable in which the token of a host is.
func tokenName(host string) string {
	if host == "github.com" {
		return "GITHUB_TOKEN"
	}
	return "GH_ENTERPRISE_TOKEN"
}

// said is what an error of the API says, in a line.
func said(text []byte) string {
	var body struct {
		Message string            `json:"message"`
		Errors  []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(text, &body) != nil {
		return ""
	}
	parts := []string{body.Message}
	for _, raw := range body.Errors {
		var e struct{ Message, Field, Code string }
		switch err := json.Unmarshal(raw, &e); {
		case err != nil:
			parts = append(parts, strings.Trim(string(raw), `"`))
		case e.Message != "":
			parts = append(parts, e.Message)
		default:
			parts = append(parts, strings.TrimSpace(e.Field+" "+e.Code))
		}
	}
	return printable(strings.Join(parts, "; "))
}

// printable is what may be shown of a text that a host sent.
func printable(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return s[:min(len(s), most)]
}

// Pause waits, unless ctx ends.
func (c *Client) Pause(ctx context.Context, d time.Duration) error { return c.wait(ctx, d) }
