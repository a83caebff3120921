package http

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
)

// Headers of a signed request.
const (
	TimestampHeader = "X-Parallax-Timestamp"
	SignatureHeader = "X-Parallax-Signature"
)

// Sign is the signature of a body that is sent at a Unix time in seconds.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// question is the body of a request.
type question struct {
	CallID   string          `json:"call_id"`
	Attempt  int             `json:"attempt"`
	Agent    string          `json:"agent"`
	Task     string          `json:"task"`
	Input    json.RawMessage `json:"input"`
	Messages []agent.Message `json:"messages,omitempty"`
	Schema   json.RawMessage `json:"output_schema,omitempty"`
	Feedback string          `json:"feedback,omitempty"`
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	body, err := json.Marshal(question{
		CallID: c.ID(), Attempt: c.Attempt(), Agent: c.Agent(), Task: c.Task(), Input: input,
		Messages: c.Messages(), Schema: c.OutputSchema(), Feedback: c.Feedback(),
	})
	if err != nil {
		return nil, agent.BadInput("the inputs cannot be sent: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Config.URL, bytes.NewReader(body))
	if err != nil {
		return nil, agent.BadInput("url: %w", err)
	}
	c.Config.address(req, c.ID(), body)
	if t := c.Traceparent(); t != "" {
		req.Header.Set("Traceparent", t)
	}
	res, err := c.Config.client.Do(req)
	if err != nil {
		return nil, c.Config.unreachable(ctx, err)
	}
	defer res.Body.Close()
	text, err := c.Config.read(ctx, res)
	if err != nil {
		return nil, err
	}
	return deliver(c, text)
}

// address fills in the headers.
func (c *Config) address(req *http.Request, id string, body []byte) {
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", id)
	if c.secret != nil {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		req.Header.Set(TimestampHeader, now)
		req.Header.Set(SignatureHeader, Sign(c.secret, now, body))
	}
}

// read takes the body of a response that is an answer.
func (c *Config) read(ctx context.Context, res *http.Response) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(res.Body, c.MaxResponse+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, agent.Unavailable(0, "%s closed the connection in the middle of the answer", c.host).WithCode("cut_off")
	case res.StatusCode/100 != 2:
		return nil, c.status(res, text)
	case int64(len(text)) > c.MaxResponse:
		return nil, agent.Refuse("%s answered with more than %d bytes", c.host, c.MaxResponse).
			WithCode("too_long").WithHint("raise max_response in parallax.toml")
	case res.StatusCode == http.StatusNoContent:
		return []byte("null"), nil
	case !json.Valid(text):
		return nil, agent.Refuse("%s answered with something that is not JSON%s", c.host, c.quote(string(text))).WithCode("not_json")
	}
	return bytes.TrimSpace(text), nil
}

// status is what a response that is no answer means.
func (c *Config) status(res *http.Response, text []byte) error {
	code := res.StatusCode
	after := llm.RetryAfter(res.Header, time.Now())
	switch {
	case code/100 == 3:
		return agent.Refuse("%s redirects (%d), and redirects are not followed", c.host, code).
			WithCode("redirect").WithHint("put the final address into url")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return c.locked(code)
	case code == http.StatusTooManyRequests:
		return agent.Overloaded(after, "%s limits requests (429)%s", c.host, c.reason(text)).WithCode("rate_limit")
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code >= 500:
		return agent.Unavailable(after, "%s has a problem (%d)%s", c.host, code, c.reason(text)).WithCode(strconv.Itoa(code))
	}
	return agent.Refuse("%s refused the call (%d)%s", c.host, code, c.reason(text)).WithCode(strconv.Itoa(code))
}

// locked does not repeat what the server says, for that may hold a part of a secret.
func (c *Config) locked(code int) error {
	if len(c.names) == 0 {
		return agent.Refuse("%s wants to know who asks (%d)", c.host, code).
			WithCode("no_key").WithHint("name a variable with the credentials in header_env, or one with the key in secret_env")
	}
	names := strings.Join(c.names, " and ")
	return agent.Refuse("%s does not accept the credentials in %s (%d)", c.host, names, code).
		WithCode("bad_key").WithHint("check the value of " + names)
}

// reason is what the body of an error says, as ": reason".
func (c *Config) reason(text []byte) string {
	var body struct{ Error, Message json.RawMessage }
	if json.Unmarshal(text, &body) != nil {
		return c.quote(string(text))
	}
	for _, field := range []json.RawMessage{body.Error, body.Message} {
		var words string
		if json.Unmarshal(field, &words) == nil && words != "" {
			return c.quote(words)
		}
		var nested struct{ Message string }
		if json.Unmarshal(field, &nested) == nil && nested.Message != "" {
			return c.quote(nested.Message)
		}
	}
	return ""
}

// quote is ": text" on one line, short and without secrets; "" stays "".
func (c *Config) quote(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	for _, secret := range c.hidden {
		text = strings.ReplaceAll(text, secret, "***")
	}
	if text == "" {
		return ""
	}
	return ": " + fmt.Sprintf("%.300s", text)
}

func (c *Config) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next // the outer ones hold the URL
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return agent.Unavailable(0, "%s closed the connection without an answer", c.host).WithCode("cut_off")
	}
	return agent.Unavailable(0, "cannot reach %s%s", c.host, c.quote(err.Error())).WithHint("check that the service runs and that url is right")
}

// reply is an answer in full.
type reply struct {
	Value      json.RawMessage `json:"value"`
	Confidence *float64        `json:"confidence"`
	Basis      agent.Basis     `json:"basis"`
	Reasoning  string          `json:"reasoning"`
	Finish     string          `json:"finish"`
	Usage      *struct {
		InputTokens     int64  `json:"input_tokens"`
		OutputTokens    int64  `json:"output_tokens"`
		CachedTokens    int64  `json:"cached_tokens"`
		ReasoningTokens int64  `json:"reasoning_tokens"`
		CostMicroUSD    int64  `json:"cost_microusd"`
		Model           string `json:"model"`
	} `json:"usage"`
}

// deliver tells the host what the service said beside its value.
func deliver(c *agent.Call[Config], text []byte) (json.RawMessage, error) {
	value, ok := inFull(text)
	if !ok {
		return text, nil
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, agent.Refuse("%s answered in a form that cannot be read: %w", c.Config.host, err).WithCode("bad_reply")
	}
	if r.Confidence != nil {
		switch r.Basis {
		case agent.SelfReport, agent.LogProb, agent.Verifier:
		default:
			r.Basis = agent.SelfReport
		}
		c.Confidence(*r.Confidence, r.Basis)
	}
	c.Reasoning(r.Reasoning)
	c.Finish(r.Finish)
	if u := r.Usage; u != nil {
		c.Usage(agent.Usage{
			InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CachedTokens: u.CachedTokens,
			ReasoningTokens: u.ReasoningTokens, CostMicroUSD: u.CostMicroUSD, Model: u.Model,
		})
	}
	return value, nil
}

// inFull finds the value in an answer in full; ok is false when the text is the value itself.
func inFull(text []byte) (value json.RawMessage, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return nil, false
	}
	value, ok = fields["value"]
	return value, ok
}
