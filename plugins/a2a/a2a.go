// Package a2a is the agent that asks another by the Agent2Agent protocol, version 1.
//
//	[agents.travel]
//	use = "a2a"
//	url = "https://agents.example.com"        # where its card is: below it, unless it ends with .json
//	headers = {X-Team = "billing"}            # further headers; never secrets
//	header_env = ["Authorization: TRAVEL_AUTH"]  # headers whose values stand in environment variables
//	stream = true                             # the default: follow tasks as they go on, where the card says that this can be done
//	max_response = 16777216                   # the default: bytes of an answer
//
// # What is asked
//
// A message: the task's words, earlier messages before them and the reason why a previous answer was refused after them, as text, and the inputs, if
// there are any, as data. The skills of the card are the agent's. A task that is the id of a skill is sent with it as the metadata "skillId".
// The id of the message is that of the call, and the same for every attempt.
//
// # Answer
//
// A message, or what a task made: data is the answer, as a list if there is more than one piece, and the text beside it its reasoning. Without data the
// text is, as JSON where the script asks for a type and the text is JSON. Files are artifacts; those that are only linked are not fetched, and
// their addresses are part of the text. What a task says on the way is the agent's progress, and what it wants to know is put to a person. When a call
// ends early its task is cancelled.
//
// # Failures
//
// A task that failed, was rejected or cancelled refuses the call with the task's words. Credentials are sent to the host of url alone: a card that names another
// host is refused if there are any. HTTP codes mean what they do for agents of use = "http".
package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/web"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers,omitempty"`
	HeaderEnv   []string          `json:"header_env,omitempty"`
	Stream      *bool             `json:"stream,omitempty"`
	MaxResponse int               `json:"max_response,omitempty"`

	site   *web.Site
	client *a2aclient.Client
	card   *a2a.AgentCard
}

const defaultResponse = 16 << 20 // bytes

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "a2a",
		Version:     "1.0.0",
		Description: "Asks an agent that speaks the Agent2Agent protocol.",
		Interactive: true,
		Streaming:   true,
	}, answer)
}

// Secrets are the names of the environment variables that a configuration reads, which must be set.
func Secrets(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	return web.Names(c.HeaderEnv)
}

// Server is what a sandbox puts a gateway in front of; see web.Gateway.
func Server(config json.RawMessage) (server, secret, header string) {
	var c Config
	_ = json.Unmarshal(config, &c) // the agent says what is wrong with it
	return web.Gateway(c.URL, c.HeaderEnv)
}

// Open implements agent.Opener. It reads the card.
func (c *Config) Open(ctx context.Context, s *agent.Session) error {
	if err := web.Check(c.URL); err != nil {
		return err
	}
	if c.MaxResponse < 0 {
		return agent.BadInput("max_response must not be below zero").WithField("max_response", "must not be below zero")
	}
	if c.MaxResponse == 0 {
		c.MaxResponse = defaultResponse
	}
	var err error
	c.site, err = web.Open(s, web.Settings{URL: c.URL, Headers: c.Headers, HeaderEnv: c.HeaderEnv, Most: c.MaxResponse})
	if err != nil {
		return err
	}
	if c.card, err = c.readCard(ctx); err != nil {
		return err
	}
	c.client, err = a2aclient.NewFromCard(ctx, c.card,
		a2aclient.WithDefaultsDisabled(), a2aclient.WithJSONRPCTransport(c.site.Client()), a2aclient.WithRESTTransport(c.site.Client()))
	if err != nil {
		return agent.Refuse("%s speaks A2A in a way that is not known here: %w", c.site.Host, err).WithCode("no_transport").
			WithHint("JSON-RPC and HTTP+JSON of version 1 are")
	}
	s.Describe(strings.TrimSpace(c.card.Name + " " + c.card.Version + " at " + c.site.Shown))
	for i := range c.card.Skills {
		k := &c.card.Skills[i]
		about := k.Description
		if about == "" {
			about = k.Name
		}
		s.Offer(k.ID, about, nil, nil)
	}
	return nil
}

// Close implements agent.Closer.
func (c *Config) Close() error {
	c.site.Close()
	return nil
}

// readCard fetches the agent's card.
func (c *Config) readCard(ctx context.Context) (*a2a.AgentCard, error) {
	base, path := c.URL, "/.well-known/agent-card.json"
	if u, err := url.Parse(c.URL); err == nil && strings.HasSuffix(u.Path, ".json") {
		path, u.Path = u.Path, ""
		base = u.String()
	}
	card, err := (&agentcard.Resolver{Client: c.site.Client()}).Resolve(ctx, base, agentcard.WithPath(path))
	if status, ok := errors.AsType[*agentcard.ErrStatusNotOK](err); ok {
		return nil, agent.Refuse("%s has no agent card (%s)", c.site.Host, status.Status).WithCode("no_card").
			WithHint("url is the address below which " + "/.well-known/agent-card.json is, or that of the card itself")
	}
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if len(card.SupportedInterfaces) == 0 {
		return nil, agent.Refuse("the card of %s names no address of version 1 of the protocol", c.site.Host).WithCode("no_transport").
			WithHint("older versions are not spoken here")
	}
	return card, nil
}

// streams says whether tasks are followed as they go on.
func (c *Config) streams() bool {
	return c.card.Capabilities.Streaming && (c.Stream == nil || *c.Stream)
}
