// Package openai is the agent that asks a language model behind any address that speaks the OpenAI chat completions format:
// OpenAI itself, Ollama, vLLM, LM Studio, OpenRouter and many more.
//
//	[agents.reviewer]
//	use = "openai"
//	model = "gpt-5-mini"                    # required
//	base_url = "https://api.openai.com/v1"  # the default; Ollama: "http://localhost:11434/v1"
//	api_key_env = "OPENAI_API_KEY"          # the default: name of the environment variable with the key
//	system = "You review Go code."          # system prompt
//	temperature = 0.2                       # none unless given, and so for the next three
//	top_p = 0.9
//	max_tokens = 2000                       # of one answer
//	seed = 7
//	stream = true                           # the default: show the answer while it is written
//	structured = "schema"                   # the default; see below
//	confidence = "auto"                     # the default; see below
//	price = {input = 0.25, output = 2.0, cached = 0.025}  # US dollars per million tokens
//	extra = {reasoning_effort = "low"}      # further fields of the request, as they are
//
// A server on this machine (a loopback address) needs no key. The key is read from the environment, sent to base_url and
// nowhere else, and never shown.
//
// # What the model is asked
//
// The system prompt, then the call's earlier messages, then one message of the user: the task's words, then each input as a
// block between its name in angle brackets, names in alphabetical order. A string stands as it is, any other value as JSON.
// When a previous answer to the same question was refused, the reason comes last.
//
// # Structured answers
//
// When the script asks for a type, structured says how the model is held to its JSON Schema: "schema" sends it as a response
// format, strict where the schema allows that; "prompt" puts the schema into the prompt and asks for a JSON object; "text"
// only puts it into the prompt. A schema that is not an object is asked for as the field "answer" of one, and taken out of it.
// An answer that is not JSON is passed on as a string, so that the script's check refuses it with a reason.
//
// # Confidence
//
// "logprob" asks for the probabilities of the answer's tokens. If the wanted type has choices (enums, booleans), the
// confidence is the probability of the chosen value, and of the least likely one if there are several; else it is the
// geometric mean of the probabilities of the answer's tokens. "auto" does the same and goes without when the model does not offer
// it. "self_report" asks the model itself; such numbers are seldom calibrated. "none" states none.
//
// # Failures
//
// 429 is overloaded and 5xx, a lost connection or a cut-off answer are unavailable, with the server's Retry-After; the engine
// retries, this agent never does. 401 and 403 name the variable of the key. A model that declines is an error of code
// "refusal". An answer cut by max_tokens arrives with the finish "length".
package openai

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/llm"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	Model       string         `json:"model"`
	BaseURL     string         `json:"base_url,omitempty"`
	APIKeyEnv   string         `json:"api_key_env,omitempty"`
	System      string         `json:"system,omitempty"`
	Temperature *float64       `json:"temperature,omitempty"`
	TopP        *float64       `json:"top_p,omitempty"`
	MaxTokens   int64          `json:"max_tokens,omitempty"`
	Seed        *int64         `json:"seed,omitempty"`
	Stream      *bool          `json:"stream,omitempty"`
	Structured  string         `json:"structured,omitempty"`
	Confidence  string         `json:"confidence,omitempty"`
	Price       *llm.Price     `json:"price,omitempty"`
	Extra       map[string]any `json:"extra,omitempty"`

	provider   *llm.Provider
	chat       openai.ChatCompletionService
	noLogprobs atomic.Bool // the model refused to give them
}

const (
	defaultURL = "https://api.openai.com/v1"
	defaultKey = "OPENAI_API_KEY"
)

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "openai",
		Version:     "1.0.0",
		Description: "Asks a language model behind an OpenAI-compatible address.",
		Idempotent:  true,
		Streaming:   true,
	}, answer)
}

// Secrets are the names of the environment variables that a configuration reads, which need not be set.
func Secrets(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil || c.APIKeyEnv == "" {
		return []string{defaultKey}
	}
	return []string{c.APIKeyEnv}
}

// Server is the URL to which the agent's requests go.
func Server(config json.RawMessage) string {
	var c Config
	_ = json.Unmarshal(config, &c) // the agent says what is wrong with it
	return orElse(c.BaseURL, defaultURL)
}

// Open implements agent.Opener.
func (c *Config) Open(_ context.Context, s *agent.Session) error {
	c.BaseURL, c.APIKeyEnv = orElse(c.BaseURL, defaultURL), orElse(c.APIKeyEnv, defaultKey)
	c.Structured, c.Confidence = orElse(c.Structured, "schema"), orElse(c.Confidence, "auto")
	if err := c.check(); err != nil {
		return err
	}
	p, err := llm.NewProvider(s, c.BaseURL, c.Model, c.APIKeyEnv)
	if err != nil {
		return err
	}
	c.provider = p
	options := []option.RequestOption{
		option.WithBaseURL(p.BaseURL), option.WithHTTPClient(p.Client), option.WithMaxRetries(0),
	}
	if p.Key != "" {
		options = append(options, option.WithAPIKey(p.Key))
	}
	for name, value := range c.Extra {
		options = append(options, option.WithJSONSet(name, value))
	}
	c.chat = openai.NewChatCompletionService(options...)
	return nil
}

// Close implements agent.Closer.
func (c *Config) Close() error {
	c.provider.Close()
	return nil
}

func (c *Config) check() error {
	if !slices.Contains([]string{"schema", "prompt", "text"}, c.Structured) {
		return agent.BadInput("structured is %q; use schema, prompt or text", c.Structured).WithField("structured", "unknown")
	}
	if !slices.Contains([]string{"auto", "logprob", "self_report", "none"}, c.Confidence) {
		return agent.BadInput("confidence is %q; use auto, logprob, self_report or none", c.Confidence).WithField("confidence", "unknown")
	}
	if c.MaxTokens < 0 {
		return agent.BadInput("max_tokens must not be below zero").WithField("max_tokens", "must not be below zero")
	}
	return c.Price.Check()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// answer is the agent.
func answer(ctx context.Context, c *agent.Call[Config], input json.RawMessage) (json.RawMessage, error) {
	shape, err := llm.NewShape(c.OutputSchema(), c.Config.Confidence == "self_report")
	if err != nil {
		return nil, err
	}
	params, err := c.Config.params(c, input, shape)
	if err != nil {
		return nil, err
	}
	got, err := c.Config.ask(ctx, c, params)
	if err != nil {
		return nil, err
	}
	return c.Config.finish(c, shape, got)
}

// finish tells the host about the answer and takes its value out of it.
func (c *Config) finish(call *agent.Call[Config], shape *llm.Shape, got *completion) (json.RawMessage, error) {
	call.Usage(got.usageOf(c))
	if got.refused() {
		call.Finish("refusal")
		return nil, llm.Refusal(c.Model, got.refusal)
	}
	call.Finish(got.finish)
	call.Reasoning(got.thinking)
	value, reported := llm.Text(got.text), (*float64)(nil)
	if shape != nil {
		value, reported = shape.Read(got.text)
	}
	switch p, ok := got.confidence(shape); {
	case reported != nil:
		call.Confidence(*reported, agent.SelfReport)
	case ok:
		call.Confidence(p, agent.LogProb)
	}
	return value, nil
}
