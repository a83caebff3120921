//go:build unix

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coder/acp-go-sdk"
)

// beAgent is a tool that speaks the protocol and does in each turn what the prompt says, a word a line.
func beAgent(args []string) int {
	a := &scripted{cancelled: make(chan struct{}), args: args}
	if len(args) > 0 && args[0] == "noisy" {
		fmt.Println("Welcome!\n{not json")
	}
	a.conn = acp.NewAgentSideConnection(a, os.Stdout, os.Stdin)
	<-a.conn.Done()
	return 0
}

// scripted is the tool. What it does not override answers nothing.
type scripted struct {
	acp.Agent

	conn      *acp.AgentSideConnection
	args      []string
	dir       string
	mode      string
	caps      acp.ClientCapabilities
	cancelled chan struct{}
}

func (s *scripted) has(arg string) bool { return len(s.args) > 0 && s.args[0] == arg }

// Initialize implements acp.Agent.
func (s *scripted) Initialize(_ context.Context, p acp.InitializeRequest) (acp.InitializeResponse, error) {
	s.caps = p.ClientCapabilities
	r := acp.InitializeResponse{ProtocolVersion: acp.ProtocolVersionNumber}
	if s.has("future") {
		r.ProtocolVersion = 7
	}
	if s.has("locked") {
		r.AuthMethods = []acp.AuthMethod{{Agent: &acp.AuthMethodAgent{Id: "oauth", Name: "Log in"}}}
	}
	return r, nil
}

// Authenticate implements acp.Agent.
func (s *scripted) Authenticate(_ context.Context, p acp.AuthenticateRequest) (acp.AuthenticateResponse, error) {
	if p.MethodId != "oauth" {
		return acp.AuthenticateResponse{}, acp.NewInvalidParams("no such method")
	}
	s.args = nil
	return acp.AuthenticateResponse{}, nil
}

// NewSession implements acp.Agent.
func (s *scripted) NewSession(_ context.Context, p acp.NewSessionRequest) (acp.NewSessionResponse, error) {
	if s.has("locked") {
		return acp.NewSessionResponse{}, acp.NewAuthRequired(nil)
	}
	s.dir = p.Cwd
	return acp.NewSessionResponse{SessionId: "s1", Modes: &acp.SessionModeState{
		CurrentModeId: "code", AvailableModes: []acp.SessionMode{{Id: "code", Name: "Code"}, {Id: "plan", Name: "Plan"}},
	}}, nil
}

// SetSessionMode implements acp.Agent.
func (s *scripted) SetSessionMode(_ context.Context, p acp.SetSessionModeRequest) (acp.SetSessionModeResponse, error) {
	if p.ModeId != "code" && p.ModeId != "plan" {
		return acp.SetSessionModeResponse{}, acp.NewInvalidParams("no such mode")
	}
	s.mode = string(p.ModeId)
	return acp.SetSessionModeResponse{}, nil
}

// Cancel implements acp.Agent.
func (s *scripted) Cancel(context.Context, acp.CancelNotification) error {
	close(s.cancelled)
	return nil
}

// Prompt implements acp.Agent.
func (s *scripted) Prompt(ctx context.Context, p acp.PromptRequest) (acp.PromptResponse, error) {
	r := acp.PromptResponse{StopReason: acp.StopReasonEndTurn}
	for line := range strings.SplitSeq(p.Prompt[0].Text.Text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		if reason, ok := strings.CutPrefix(word, "stop:"); ok {
			r.StopReason = acp.StopReason(reason)
			continue
		}
		if word == "usage" {
			cached := 5
			r.Usage = &acp.Usage{InputTokens: 10, OutputTokens: 3, CachedReadTokens: &cached, TotalTokens: 18}
			continue
		}
		said, err := s.do(ctx, word, rest)
		if e, ok := errors.AsType[*acp.RequestError](err); ok {
			said = fmt.Sprintf("[%d %v]", e.Code, e.Data)
		} else if err != nil {
			return r, err
		}
		if said == "cancelled" {
			r.StopReason = acp.StopReasonCancelled
			return r, nil
		}
		s.say(ctx, acp.UpdateAgentMessageText(said))
	}
	return r, nil
}

func (s *scripted) say(ctx context.Context, u acp.SessionUpdate) {
	_ = s.conn.SessionUpdate(ctx, acp.SessionNotification{SessionId: "s1", Update: u})
}

func (s *scripted) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, name)
}

// do does one thing and tells what came of it.
func (s *scripted) do(ctx context.Context, word, rest string) (string, error) {
	switch word {
	case "say":
		return rest, nil
	case "dir":
		return s.dir, nil
	case "mode":
		return s.mode, nil
	case "caps":
		return fmt.Sprint(s.caps.Fs.ReadTextFile, s.caps.Fs.WriteTextFile, s.caps.Terminal), nil
	case "read":
		r, err := s.conn.ReadTextFile(ctx, acp.ReadTextFileRequest{SessionId: "s1", Path: s.path(rest)})
		return strconv.Quote(r.Content), err
	case "part":
		r, err := s.conn.ReadTextFile(ctx, acp.ReadTextFileRequest{SessionId: "s1", Path: s.path(rest), Line: new(2), Limit: new(1)})
		return strconv.Quote(r.Content), err
	case "write":
		name, content, _ := strings.Cut(rest, " ")
		_, err := s.conn.WriteTextFile(ctx, acp.WriteTextFileRequest{SessionId: "s1", Path: s.path(name), Content: content})
		return "written", err
	case "permit":
		return s.permit(ctx, rest)
	case "tool":
		return s.tool(ctx)
	case "flood":
		for range 5000 {
			s.say(ctx, acp.UpdateAgentMessageText("x"))
		}
		return "", nil
	case "odd":
		fmt.Println(`{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"of_a_later_version"}}}`)
		return "", nil
	case "run":
		return s.run(ctx, strings.Fields(rest))
	case "hang":
		<-s.cancelled
		return "cancelled", nil
	case "deaf":
		_ = os.WriteFile(rest, []byte(strconv.Itoa(os.Getpid())), 0o600)
		select {}
	case "die":
		fmt.Fprintln(os.Stderr, "out of memory")
		os.Exit(9)
	case "fail":
		return "", errors.New("the model is gone")
	}
	return "", fmt.Errorf("what is %q?", word)
}

func (s *scripted) permit(ctx context.Context, kind string) (string, error) {
	r, err := s.conn.RequestPermission(ctx, acp.RequestPermissionRequest{
		SessionId: "s1",
		ToolCall: acp.ToolCallUpdate{
			ToolCallId: "c1", Title: new("Do a thing"), Kind: new(acp.ToolKind(kind)),
			Locations: []acp.ToolCallLocation{{Path: s.path("new.txt")}},
		},
		Options: []acp.PermissionOption{
			{Kind: acp.PermissionOptionKindAllowAlways, Name: "Always", OptionId: "always"},
			{Kind: acp.PermissionOptionKindAllowOnce, Name: "Yes", OptionId: "once"},
			{Kind: acp.PermissionOptionKindRejectOnce, Name: "No", OptionId: "never"},
		},
	})
	if err != nil {
		return "", err
	}
	if r.Outcome.Selected == nil {
		return "nobody", nil
	}
	return string(r.Outcome.Selected.OptionId), nil
}

func (s *scripted) tool(ctx context.Context) (string, error) {
	s.say(ctx, acp.UpdatePlan(acp.PlanEntry{Content: "one", Status: acp.PlanEntryStatusCompleted}, acp.PlanEntry{Content: "two", Status: acp.PlanEntryStatusInProgress}))
	s.say(ctx, acp.UpdateAgentThoughtText("hm"))
	s.say(ctx, acp.StartToolCall("c9", "Search", acp.WithStartKind(acp.ToolKindSearch), acp.WithStartRawInput(map[string]any{"q": 1})))
	s.say(ctx, acp.UpdateToolCall("c9", acp.WithUpdateStatus(acp.ToolCallStatusFailed), acp.WithUpdateContent([]acp.ToolCallContent{acp.ToolContent(acp.TextBlock("none"))})))
	s.say(ctx, acp.SessionUpdate{UsageUpdate: &acp.SessionUsageUpdate{SessionUpdate: "usage_update", Size: 10, Used: 1, Cost: &acp.Cost{Amount: 0.25, Currency: "USD"}}})
	return "after", nil
}

func (s *scripted) run(ctx context.Context, argv []string) (string, error) {
	c, err := s.conn.CreateTerminal(ctx, acp.CreateTerminalRequest{SessionId: "s1", Command: argv[0], Args: argv[1:], Env: []acp.EnvVariable{{Name: "ASKED", Value: "for"}}, OutputByteLimit: new(4)})
	if err != nil {
		return "", err
	}
	if argv[0] == "sleep" { // left behind
		return "started", nil
	}
	w, err := s.conn.WaitForTerminalExit(ctx, acp.WaitForTerminalExitRequest{SessionId: "s1", TerminalId: c.TerminalId})
	if err != nil {
		return "", err
	}
	o, err := s.conn.TerminalOutput(ctx, acp.TerminalOutputRequest{SessionId: "s1", TerminalId: c.TerminalId})
	if err != nil {
		return "", err
	}
	_, err = s.conn.ReleaseTerminal(ctx, acp.ReleaseTerminalRequest{SessionId: "s1", TerminalId: c.TerminalId})
	return fmt.Sprintf("%d %q %v", *w.ExitCode, o.Output, o.Truncated), err
}
