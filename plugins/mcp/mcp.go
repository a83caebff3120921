// Package mcp is the agent that asks a server of the Model Context Protocol. Its tools are the agent's skills.
//
//	[agents.files]
//	use = "mcp"
//	command = ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."]  # a server that is started and spoken to on its streams
//	url = "https://mcp.example.com/mcp"    # or one that is there already, by streamable HTTP
//	headers = {X-Team = "billing"}         # further headers, with url; never secrets
//	header_env = ["Authorization: MCP_KEY"]  # headers whose values stand in environment variables
//	tool = "read_file"                     # the tool for tasks that name none; not needed where there is only one
//	tools = ["read_file", "list_directory"]  # offer only these; all unless given
//	max_response = 16777216                # the default: bytes of one message of the server
//	dir = "service"                        # as for every agent: where the command runs
//	env = ["NODE_PATH"]                    # as for every agent: names of environment variables it sees beside the usual ones
//	secrets = ["FILES_KEY"]                # the same for secrets, which are taken out of what it says
//
// # What is asked
//
// A task that is the name of a tool goes to that tool. Any other goes to `tool`, or to the only one there is, and its words become the
// input called "task" if the tool has one, else the one text that the tool requires and the script did not give. The inputs are the tool's
// arguments as they are.
//
// # Answer
//
// Structured content is the answer. Without it the text is, as JSON where the script asks for a type and the text is JSON. Images,
// sounds and resources are artifacts; what is linked is read from the server. Progress of the server is the agent's, and a question of the
// server to its user is put to a person. A tool that says it failed refuses the call with its words. When a call ends early the server is told.
//
// The agent is idempotent when all its tools say that they are, or that they only read. A server that says that its tools have changed is asked
// for them again before the next call.
//
// # Failures
//
// A server that ends, breaks the connection or answers with something else than MCP fails the calls in flight; the next call starts it, or
// connects, again. HTTP codes mean what they do for agents of use = "http".
package mcp

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/process"
	"github.com/parallax-run/parallax/plugins/web"
)

// Config is the agent's table in parallax.toml; the package's documentation explains the keys.
type Config struct {
	Command     []string          `json:"command,omitempty"`
	URL         string            `json:"url,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	HeaderEnv   []string          `json:"header_env,omitempty"`
	Tool        string            `json:"tool,omitempty"`
	Tools       []string          `json:"tools,omitempty"`
	MaxResponse int               `json:"max_response,omitempty"`

	server  server
	secrets process.Secrets

	mu   sync.Mutex
	link *link // nil until the first, and after one that broke
}

// defaultResponse bounds one message of a server, in bytes.
const defaultResponse = 16 << 20

// Agent is the agent's definition.
func Agent() agent.Definition {
	return agent.Define(agent.Info{
		Name:        "mcp",
		Version:     "1.0.0",
		Description: "Asks the tools of an MCP server.",
		Interactive: true,
	}, answer)
}

// Command is the server that a configuration starts, nil if it is reached elsewhere.
func Command(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	return c.Command
}

// Secrets are the names of the environment variables that a configuration reads, which must be set.
func Secrets(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	return web.Names(c.HeaderEnv)
}

// Server is what a sandbox puts a gateway in front of, "" if the server is started; see web.Gateway.
func Server(config json.RawMessage) (server, secret, header string) {
	var c Config
	_ = json.Unmarshal(config, &c) // the agent says what is wrong with it
	return web.Gateway(c.URL, c.HeaderEnv)
}

// Open implements agent.Opener. It connects, so that a server that is not there is told before a run begins.
func (c *Config) Open(ctx context.Context, s *agent.Session) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.MaxResponse == 0 {
		c.MaxResponse = defaultResponse
	}
	if err := c.open(s); err != nil {
		return err
	}
	ctx, cancel := early(ctx, agent.TimedOut("%s did not answer in time; it may not speak MCP", c.server.name()).WithCode("silent"))
	defer cancel()
	l, err := c.connected(ctx)
	if err != nil {
		return err
	}
	tools, err := l.tools(ctx)
	if err != nil {
		_ = c.Close()
		return err
	}
	return c.offer(s, tools)
}

// early ends a little before ctx does, with a reason that still gets to the host.
func early(ctx context.Context, why error) (context.Context, context.CancelFunc) {
	at, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := time.Until(at)
	return context.WithTimeoutCause(ctx, left-min(left/5, 3*process.Grace), why) // a program may take one of them to end
}

// open settles how the server is reached.
func (c *Config) open(s *agent.Session) error {
	if c.URL == "" {
		env, secrets := process.Inherit(s)
		c.secrets = secrets
		c.server = &program{argv: c.Command, dir: s.Workdir, env: env, most: c.MaxResponse}
		s.Describe(strings.Join(c.Command, " "))
		return nil
	}
	w, err := web.Open(s, web.Settings{URL: c.URL, Headers: c.Headers, HeaderEnv: c.HeaderEnv, Most: c.MaxResponse})
	if err != nil {
		return err
	}
	c.secrets, c.server = w.Secrets, &site{url: c.URL, most: c.MaxResponse, web: w}
	s.Describe(w.Shown)
	return nil
}

// Close implements agent.Closer.
func (c *Config) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		c.link.close()
		c.link = nil
	}
	return nil
}

func (c *Config) check() error {
	wrong := func(key, format string, args ...any) error {
		return agent.BadInput(format, args...).WithField(key, "wrong")
	}
	switch {
	case c.URL == "" && (len(c.Command) == 0 || c.Command[0] == ""):
		return agent.BadInput("neither command nor url says where the server is").WithField("command", "missing").
			WithHint(`set command = ["npx", "-y", "some-mcp-server"] or url = "https://..." in parallax.toml`)
	case c.URL != "" && len(c.Command) > 0:
		return wrong("url", "there are both a command and a url; keep one")
	case c.URL == "" && len(c.Headers)+len(c.HeaderEnv) > 0:
		return wrong("headers", "headers and header_env go with url, not with command; a command gets its secrets by secrets = [...]")
	case c.MaxResponse < 0:
		return wrong("max_response", "max_response must not be below zero")
	case c.Tool != "" && len(c.Tools) > 0 && !slices.Contains(c.Tools, c.Tool):
		return wrong("tool", "tool is %q, which is not among tools", c.Tool)
	case c.URL != "":
		return web.Check(c.URL)
	}
	return nil
}
