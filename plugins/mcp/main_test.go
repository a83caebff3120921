//go:build unix

package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"
)

// The test binary is also the servers under test.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		os.Exit(be(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func be(what string) int {
	if what == "good" {
		if err := good().Run(context.Background(), &mcp.StdioTransport{}); err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	b, ok := bad[what]
	if !ok {
		fmt.Fprintln(os.Stderr, "there is no server called", what)
		return 2
	}
	return b()
}

// good is a server that does what it should.
func good() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "good", Version: "1"}, nil)
	read := &mcp.ToolAnnotations{ReadOnlyHint: true}
	type words struct {
		Text string `json:"text"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "count", Description: "Counts.", Annotations: read},
		func(_ context.Context, _ *mcp.CallToolRequest, in words) (*mcp.CallToolResult, any, error) {
			if in.Text == "no" {
				return nil, nil, fmt.Errorf("I do not count %q", in.Text)
			}
			out := fmt.Sprintf(`{"words":%d,"big":9007199254740993}`, len(strings.Fields(in.Text)))
			r := text(out)
			r.StructuredContent = json.RawMessage(out)
			return r, nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "grow", Description: "Gets another tool.", Annotations: read},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			mcp.AddTool(s, &mcp.Tool{Name: "grown"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
				return text("here I am"), nil, nil
			})
			return text("grew"), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "environment", Annotations: read},
		func(_ context.Context, _ *mcp.CallToolRequest, in words) (*mcp.CallToolResult, any, error) {
			return text(os.Getenv(in.Text)), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "die", Annotations: read},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			fmt.Fprintln(os.Stderr, "I cannot go on")
			os.Exit(3)
			return nil, nil, nil
		})
	return s
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

// bad are servers that do not do what they should. Those that speak at first answer by hand.
var bad = map[string]func() int{
	"silent": func() int { _, _ = io.Copy(io.Discard, os.Stdin); return 0 },
	"chatty": func() int { fmt.Println("Welcome to my server!"); _, _ = io.Copy(io.Discard, os.Stdin); return 0 },
	"stubborn": func() int {
		signal.Ignore(syscall.SIGTERM)
		_ = os.WriteFile(os.Args[3], []byte(strconv.Itoa(os.Getpid())), 0o600)
		fmt.Println("{}")
		select {}
	},
	"gone": func() int { fmt.Fprintln(os.Stderr, "no database"); return 7 },
	"endless": func() int {
		page := 0
		return speak(func(method string) string {
			if method != "tools/list" {
				return ""
			}
			page++
			return fmt.Sprintf(`{"tools":[{"name":"t%d","inputSchema":{"type":"object"}}],"nextCursor":"%d"}`, page, page)
		})
	},
	"many": func() int {
		return speak(func(method string) string {
			if method != "tools/list" {
				return ""
			}
			tools := make([]string, 1001)
			for i := range tools {
				tools[i] = fmt.Sprintf(`{"name":"t%d","inputSchema":{"type":"object"}}`, i)
			}
			return `{"tools":[` + strings.Join(tools, ",") + `]}`
		})
	},
	"empty":   func() int { return speak(func(string) string { return `{"tools":[]}` }) },
	"huge":    func() int { return calls(`{"content":[{"type":"text","text":"` + strings.Repeat("x", 1<<20) + `"}]}`) },
	"wrong":   func() int { return calls(`{"content":17}`) },
	"hanging": func() int { return calls("hang") },
	"broken":  func() int { return calls("break") },
	"cut":     func() int { return calls("cut") },
}

// calls has a tool "t" that answers so.
func calls(result string) int {
	return speak(func(method string) string {
		switch method {
		case "tools/list":
			return `{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}`
		case "tools/call":
			return result
		}
		return ""
	})
}

// speak answers requests line by line; "" is a method that is not there.
func speak(answer func(method string) string) int {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var req struct {
			ID     json.RawMessage
			Method string
			Params json.RawMessage
		}
		if json.Unmarshal(in.Bytes(), &req) != nil {
			return 1
		}
		if req.Method == "notifications/cancelled" {
			mark("cancelled")
		}
		if req.ID == nil {
			continue
		}
		result := answer(req.Method)
		switch {
		case req.Method == "initialize":
			result = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"by hand","version":"1"}}`
		case result == "hang":
			mark("asked")
			continue
		case result == "break":
			fmt.Println(`{"jsonrpc":"2.0","id":` + string(req.ID) + `,"result":{"cont`)
			fmt.Println(`!!`)
			continue
		case result == "cut":
			fmt.Print(`{"jsonrpc":"2.0","id":`)
			return 9
		case result == "":
			fmt.Println(`{"jsonrpc":"2.0","id":` + string(req.ID) + `,"error":{"code":-32601,"message":"there is no such method"}}`)
			continue
		}
		fmt.Println(`{"jsonrpc":"2.0","id":` + string(req.ID) + `,"result":` + result + `}`)
	}
	return 0
}

// mark notes something in the file that the last argument names.
func mark(what string) {
	f, err := os.OpenFile(os.Args[len(os.Args)-1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintln(f, what)
}
