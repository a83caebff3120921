package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/web"
)

// site is a server that is reached by streamable HTTP. It is also each line to it.
type site struct {
	url  string
	most int // bytes of one message
	web  *web.Site
}

func (s *site) name() string { return s.web.Host }

// dial implements server.
func (s *site) dial(context.Context) (line, error) { return s, nil }

// transport implements line.
func (s *site) transport() mcp.Transport {
	return &mcp.StreamableClientTransport{Endpoint: s.url, MaxEventSize: s.most, HTTPClient: s.web.Client()}
}

// hangUp implements line.
func (s *site) hangUp() { s.web.Close() }

// broken implements line.
func (s *site) broken() error { return nil }
