package http_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	agenthttp "github.com/parallax-run/parallax/plugins/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// session opens a session and closes it when the test ends.
func session(t *testing.T, config object, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, agenthttp.Agent(), config, secrets)
	require.NoError(t, err)
	return a
}

// failure is the agent's own error.
func failure(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "want an error of the agent, got %v", err)
	return e
}

const secret, credentials = "hush-hush-0123", "Basic c2VjcmV0"

// open starts a service and opens an agent on it.
func open(t *testing.T, service http.HandlerFunc, more object) *agenttest.Agent {
	t.Helper()
	web := httptest.NewServer(service)
	t.Cleanup(web.Close)
	c := object{"url": web.URL + "/ask"}
	maps.Copy(c, more)
	return session(t, c, map[string]string{"SIGN": secret, "CRED": credentials})
}

func replies(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestRequestCarriesTheCallAndItsSignature(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	body := make(chan []byte, 1)
	a := open(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- r
		body <- b
		_, _ = io.WriteString(w, `{"ok":true}`)
	}, object{"secret_env": "SIGN", "headers": object{"X-Team": "billing"}, "header_env": []string{"Authorization: CRED"}})
	r, err := a.Run(t.Context(), agenttest.Request{
		ID: "run/1.2/3", Task: "price", Input: object{"n": 12345678901234567}, OutputSchema: json.RawMessage(`{"type":"object"}`), Feedback: "too dear",
		Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hi"`)}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":true}`, string(r.Output))
	require.Nil(t, r.Confidence)

	req, sent := <-got, <-body
	require.JSONEq(t, `{"call_id":"run/1.2/3","attempt":1,"agent":"http","task":"price","input":{"n":12345678901234567},
		"messages":[{"role":"user","content":"hi"}],"output_schema":{"type":"object"},"feedback":"too dear"}`, string(sent))
	require.Equal(t, http.MethodPost, req.Method)
	require.Equal(t, "/ask", req.URL.Path)
	require.Equal(t, "application/json", req.Header.Get("Content-Type"))
	require.Equal(t, "run/1.2/3", req.Header.Get("Idempotency-Key"))
	require.Equal(t, "billing", req.Header.Get("X-Team"))
	require.Equal(t, credentials, req.Header.Get("Authorization"))

	stamp := req.Header.Get(agenthttp.TimestampHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), time.Unix(seconds, 0), time.Minute)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + string(sent)))
	require.Equal(t, "v1="+hex.EncodeToString(mac.Sum(nil)), req.Header.Get(agenthttp.SignatureHeader))
}

func TestSignatureDependsOnTimeAndBody(t *testing.T) {
	t.Parallel()
	a := agenthttp.Sign([]byte("k"), "1700000000", []byte("{}"))
	require.Equal(t, a, agenthttp.Sign([]byte("k"), "1700000000", []byte("{}")))
	require.NotEqual(t, a, agenthttp.Sign([]byte("k"), "1700000001", []byte("{}")))
	require.NotEqual(t, a, agenthttp.Sign([]byte("k"), "1700000000", []byte("{ }")))
	require.NotEqual(t, a, agenthttp.Sign([]byte("l"), "1700000000", []byte("{}")))
}

func TestAnswerInFull(t *testing.T) {
	t.Parallel()
	a := open(t, replies(200, `{"value":[1,2],"confidence":0.7,"basis":"verifier","reasoning":"so","finish":"stop",
		"usage":{"input_tokens":1,"output_tokens":2,"cost_microusd":3,"model":"m"}}`), nil)
	r, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.NoError(t, err)
	require.JSONEq(t, `[1,2]`, string(r.Output))
	require.InDelta(t, 0.7, *r.Confidence, 0)
	require.Equal(t, agent.Verifier, r.Basis)
	require.Equal(t, "so", r.Reasoning)
	require.Equal(t, int64(3), r.Usage.CostMicroUSD)
	require.Equal(t, "m", r.Usage.Model)
}

func TestAnyJSONIsAnAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{` "x" `: `"x"`, `{"value":null}`: `null`, `{"a":1}`: `{"a":1}`, `[]`: `[]`} {
		r, err := open(t, replies(200, body), nil).Run(t.Context(), agenttest.Request{Task: "x"})
		require.NoError(t, err)
		require.Equal(t, want, string(r.Output))
	}
	r, err := open(t, replies(204, ""), nil).Run(t.Context(), agenttest.Request{Task: "x"})
	require.NoError(t, err)
	require.Equal(t, `null`, string(r.Output))
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	protected := object{"header_env": []string{"Authorization: CRED"}, "secret_env": "SIGN"}
	for _, c := range []struct {
		name    string
		service http.HandlerFunc
		config  object
		code    string
		wait    time.Duration
		words   string
	}{
		{"rate limit", replies(429, `{"error":"slow down"}`, "Retry-After", "7"), nil, "rate_limit", 7 * time.Second, "slow down"},
		{"down", replies(503, `{"error":{"message":"deploying"}}`, "Retry-After", "3"), nil, "503", 3 * time.Second, "deploying"},
		{"refused", replies(422, `{"message":"no such thing"}`), nil, "422", 0, "no such thing"},
		{"plain words", replies(400, "what <b>is</b> this"), nil, "400", 0, "what <b>is</b> this"},
		{"echoes a secret", replies(400, "bad signature "+secret), protected, "400", 0, "bad signature ***"},
		{"locked", replies(401, "bad "+credentials), protected, "bad_key", 0, "CRED and SIGN"},
		{"locked without a key", replies(403, ""), nil, "no_key", 0, "who asks"},
		{"redirect", replies(307, "", "Location", "http://localhost:1/"), nil, "redirect", 0, "not followed"},
		{"not JSON", replies(200, "<html>"), nil, "not_json", 0, "<html>"},
		{"too long", replies(200, `"`+strings.Repeat("x", 2000)+`"`), object{"max_response": 1000}, "too_long", 0, "more than 1000 bytes"},
		{"odd answer", replies(200, `{"value":1,"confidence":"high"}`), nil, "bad_reply", 0, "confidence"},
		{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "cut_off", 0, "without an answer"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"value":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, nil, "cut_off", 0, "middle of the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := open(t, c.service, c.config)
			_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
			e := failure(t, err)
			require.Equal(t, c.code, e.AgentCode)
			require.Equal(t, c.wait, e.RetryAfter)
			require.Contains(t, e.Message, c.words)
			for _, hidden := range []string{secret, credentials} {
				require.NotContains(t, e.Message+e.Hint+a.Detail(), hidden)
			}
		})
	}
}

func TestServiceThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	a := session(t, object{"url": web.URL + "/?token=abc"}, nil)
	_, err := a.Run(t.Context(), agenttest.Request{Task: "x"})
	require.ErrorContains(t, err, "cannot reach")
	require.NotContains(t, err.Error()+a.Detail(), "token=abc")
}

func TestCancellationReachesTheService(t *testing.T) {
	t.Parallel()
	arrived, left := make(chan struct{}), make(chan struct{})
	a := open(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // only then does the server watch the connection
		close(arrived)
		<-r.Context().Done()
		close(left)
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx, agenttest.Request{Task: "x"})
		done <- err
	}()
	<-arrived
	cancel()
	require.ErrorContains(t, <-done, "Canceled")
	<-left
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]object{
		"url must be":      {},
		"name or password": {"url": "https://me:pw@x/"},
		"max_response":     {"url": "https://x/", "max_response": -1},
		"NO_SUCH_SECRET":   {"url": "https://x/", "secret_env": "NO_SUCH_SECRET"},
		"NO_SUCH_HEADER":   {"url": "https://x/", "header_env": []string{"A: NO_SUCH_HEADER"}},
		"Header: VARIABLE": {"url": "https://x/", "header_env": []string{"Authorization"}},
	} {
		_, err := agenttest.Open(t, agenthttp.Agent(), c, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "pw@")
	}
	require.Equal(t, []string{"A", "S"}, agenthttp.Secrets(json.RawMessage(`{"header_env":["X: A"],"secret_env":"S"}`)))
}
