package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
)

// read takes a tool's result apart: its value, and what becomes artifacts.
func (c *Config) read(ctx context.Context, call *agent.Call[Config], l *link, result *mcp.CallToolResult) (json.RawMessage, error) {
	r := &reader{call: call, link: l}
	for _, content := range result.Content {
		if err := r.take(ctx, content); err != nil {
			return nil, err
		}
	}
	text := strings.Join(r.texts, "\n")
	if result.IsError {
		if text == "" {
			text = "the tool failed and does not say why"
		}
		return nil, agent.Refuse("%s", c.secrets.Clean(text)).WithCode("tool_error")
	}
	if result.StructuredContent != nil {
		return structured(result.StructuredContent, r.texts)
	}
	switch {
	case len(r.texts) == 0:
		return json.RawMessage("null"), nil
	case len(call.OutputSchema()) > 0 && json.Valid([]byte(text)):
		return json.RawMessage(text), nil
	}
	return json.Marshal(c.secrets.Clean(text))
}

// structured is structured content as JSON. Servers send it as text too, where whole numbers are exact; the library reads all numbers as fractions.
func structured(content any, texts []string) (json.RawMessage, error) {
	if len(texts) == 1 {
		var same any
		if json.Unmarshal([]byte(texts[0]), &same) == nil && reflect.DeepEqual(same, content) {
			return json.RawMessage(texts[0]), nil
		}
	}
	return json.Marshal(content)
}

// reader gathers what a result consists of.
type reader struct {
	call  *agent.Call[Config]
	link  *link
	texts []string
	files int
}

func (r *reader) take(ctx context.Context, content mcp.Content) error {
	switch content := content.(type) {
	case *mcp.TextContent:
		r.texts = append(r.texts, content.Text)
	case *mcp.ImageContent:
		return r.file("image", content.MIMEType, content.Data)
	case *mcp.AudioContent:
		return r.file("audio", content.MIMEType, content.Data)
	case *mcp.EmbeddedResource:
		return r.resource(content.Resource)
	case *mcp.ResourceLink:
		return r.follow(ctx, content)
	}
	return nil // kinds that belong into messages of models
}

// file hands over what has no name.
func (r *reader) file(kind, mediaType string, data []byte) error {
	r.files++
	return r.call.Artifact(fmt.Sprintf("%s-%d%s", kind, r.files, extension(mediaType)), mediaType, bytes.NewReader(data))
}

// extension is that of a media type, or "".
func extension(mediaType string) string {
	known := map[string]string{"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg", "text/plain": ".txt", "audio/wav": ".wav", "audio/mpeg": ".mp3"}
	if ext, ok := known[mediaType]; ok {
		return ext
	}
	if all, err := mime.ExtensionsByType(mediaType); err == nil && len(all) > 0 {
		slices.Sort(all)
		return all[0]
	}
	return ""
}

func (r *reader) resource(res *mcp.ResourceContents) error {
	if res == nil {
		return nil
	}
	data := res.Blob
	if data == nil {
		data = []byte(res.Text)
	}
	name := path.Base(res.URI)
	if name == "." || name == "/" {
		return r.file("resource", res.MIMEType, data)
	}
	return r.call.Artifact(name, res.MIMEType, bytes.NewReader(data))
}

// follow reads what a result links to. What cannot be read is told and left out.
func (r *reader) follow(ctx context.Context, to *mcp.ResourceLink) error {
	res, err := r.link.session.ReadResource(ctx, &mcp.ReadResourceParams{URI: to.URI})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.call.Progress(0, "cannot read "+shorten(to.URI, 200))
		return nil //nolint:nilerr // it is told, and the rest of the answer stands
	}
	for _, c := range res.Contents {
		if err := r.resource(c); err != nil {
			return err
		}
	}
	return nil
}

// shorten cuts a text that somebody else wrote to a length for messages, in bytes.
func shorten(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "")
}
