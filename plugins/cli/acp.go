package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/acp-go-sdk"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/process"
)

// farewell is how long a tool whose work is done may take to see that nobody listens any more, before it is told to end.
const farewell = 250 * time.Millisecond

// talk is one conversation with a tool that speaks the Agent Client Protocol.
type talk struct {
	call   *agent.Call[Config]
	config *Config
	dir    string // where the tool works, absolute
	conn   *acp.Connection
	lines  *lines
	ctx    context.Context //nolint:containedctx // the call, whose end ends what is asked of a person

	mu         sync.Mutex // guards what follows
	transcript *transcript
	kinds      map[string]acp.ToolKind // of tools, by the id of their use
	message    string                  // id of the message that is being written
	session    acp.SessionId
	granted    map[string]bool // paths that a person let it write
	terminals  map[string]*terminal
	opened     int // terminals so far
	over       bool
	requests   sync.WaitGroup // of the tool, that are being served
}

// converse starts the tool, hands it the prompt, and ends it.
func converse(ctx context.Context, c *agent.Call[Config], t *transcript, prompt string) error {
	dir, err := workdir(c.Workdir())
	if err != nil {
		return err
	}
	if limit := c.Timeout(); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit-process.HeadStart(limit), process.ErrTooLong)
		defer cancel()
	}
	in, toTool := io.Pipe()
	fromTool, out := io.Pipe()
	talk := &talk{
		call: c, config: c.Config, dir: dir, ctx: ctx, lines: newLines(out, c.Config.MaxOutput), transcript: t,
		kinds: make(map[string]acp.ToolKind), granted: make(map[string]bool), terminals: make(map[string]*terminal),
	}
	talk.conn = acp.NewConnection(talk.serve, toTool, fromTool)
	talk.conn.SetLogger(slog.New(slog.DiscardHandler))

	stderr := &process.Capture{Max: c.Config.MaxOutput}
	cmd := process.Command{
		Argv: c.Config.Command, Dir: c.Workdir(), Env: c.Config.environment(c.Traceparent()),
		Stdin: in, Stdout: talk.lines, Stderr: stderr,
	}
	tool := startTool(ctx, &cmd, talk.lines.close, func() { _ = out.Close() })
	go func() {
		<-talk.conn.Done()
		_ = fromTool.Close() // nothing may wait for a reader that is gone
	}()
	spoke := talk.speakUntil(ctx, tool, prompt)
	lost := spoke != nil && talk.lost(tool)
	_ = toTool.Close()
	tool.end()
	talk.close()
	return talk.outcome(ctx, spoke, lost, tool, stderr)
}

func workdir(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", agent.Refuse("the working directory: %w", err)
	}
	return dir, nil
}

// tool is a running tool.
type tool struct {
	stop  context.CancelFunc // kills it
	ended chan struct{}
	state *os.ProcessState // after ended
	err   error            // the same
}

// startTool runs a tool, which outlives ctx until stop or end is called. deaf is called when it is stopped, eof when it has ended.
func startTool(ctx context.Context, cmd *process.Command, deaf, eof func()) *tool {
	t := &tool{ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = func() { cancel(); deaf() }
	go func() {
		defer close(t.ended)
		t.state, t.err = cmd.Run(ctx)
		eof()
	}()
	return t
}

// end waits a moment for a tool that nobody speaks with any more, and then kills it.
func (t *tool) end() {
	timer := time.AfterFunc(farewell, t.stop)
	defer timer.Stop()
	<-t.ended
	t.stop()
}

// speakUntil speaks with the tool. When ctx ends the tool is told, and killed if it goes on.
func (t *talk) speakUntil(ctx context.Context, tool *tool, prompt string) error {
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		defer time.AfterFunc(process.Grace, tool.stop).Stop()
		if !t.cancel() { //nolint:contextcheck // the call's own is over
			tool.stop()
		}
		<-done
	})
	err := t.speak(context.WithoutCancel(ctx), prompt)
	close(done)
	watch.Wait()
	return err
}

// cancel tells the tool to stop its work; it is false when there is no session yet.
func (t *talk) cancel() bool {
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session == "" {
		return false
	}
	_ = t.conn.SendNotification(context.Background(), acp.AgentMethodSessionCancel, acp.CancelNotification{SessionId: session})
	return true
}

// speak is the client's side of the protocol from the beginning to the answer.
func (t *talk) speak(ctx context.Context, prompt string) error {
	hello, err := acp.SendRequest[acp.InitializeResponse](t.conn, ctx, acp.AgentMethodInitialize, acp.InitializeRequest{
		ProtocolVersion: acp.ProtocolVersionNumber,
		ClientInfo:      &acp.Implementation{Name: "parallax", Version: Agent().Info.Version},
		ClientCapabilities: acp.ClientCapabilities{
			Fs:       acp.FileSystemCapabilities{ReadTextFile: t.config.may(acp.ToolKindRead), WriteTextFile: t.config.may(acp.ToolKindEdit)},
			Terminal: t.config.may(acp.ToolKindExecute),
		},
	})
	if err != nil {
		return err
	}
	if hello.ProtocolVersion != acp.ProtocolVersionNumber {
		return agent.Refuse("%s speaks version %d of the Agent Client Protocol, not %d", t.config.Command[0], hello.ProtocolVersion, acp.ProtocolVersionNumber).
			WithCode("protocol").WithHint("install a version of it that speaks this one")
	}
	if err := t.login(ctx, hello); err != nil {
		return err
	}
	answer, err := acp.SendRequest[acp.PromptResponse](t.conn, ctx, acp.AgentMethodSessionPrompt, acp.PromptRequest{
		SessionId: t.session, Prompt: []acp.ContentBlock{acp.TextBlock(prompt)},
	})
	if err != nil {
		return err
	}
	return t.finish(answer)
}

// login opens a session, and logs in before if the configuration says how.
func (t *talk) login(ctx context.Context, hello acp.InitializeResponse) error {
	if t.config.Auth != "" {
		_, err := acp.SendRequest[acp.AuthenticateResponse](t.conn, ctx, acp.AgentMethodAuthenticate, acp.AuthenticateRequest{MethodId: t.config.Auth})
		if err != nil {
			return t.notLoggedIn(hello, err)
		}
	}
	opened, err := acp.SendRequest[acp.NewSessionResponse](t.conn, ctx, acp.AgentMethodSessionNew, acp.NewSessionRequest{
		Cwd: t.dir, McpServers: []acp.McpServer{},
	})
	if e, ok := errors.AsType[*acp.RequestError](err); ok && e.Code == acp.NewAuthRequired(nil).Code {
		return t.notLoggedIn(hello, err)
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.session = opened.SessionId
	t.transcript.named(string(opened.SessionId))
	t.mu.Unlock()
	if t.config.SessionMode == "" {
		return nil
	}
	_, err = acp.SendRequest[acp.SetSessionModeResponse](t.conn, ctx, acp.AgentMethodSessionSetMode, acp.SetSessionModeRequest{
		SessionId: opened.SessionId, ModeId: acp.SessionModeId(t.config.SessionMode),
	})
	if e, ok := errors.AsType[*acp.RequestError](err); ok && e.Code != acp.NewInternalError(nil).Code {
		return agent.Refuse("%s does not take session_mode %q: %w", t.config.Command[0], t.config.SessionMode, said(err)).
			WithCode("session_mode").WithHint(modesOf(opened.Modes))
	}
	return err
}

func modesOf(state *acp.SessionModeState) string {
	if state == nil || len(state.AvailableModes) == 0 {
		return "it names no modes; leave session_mode out"
	}
	var ids []string
	for _, m := range state.AvailableModes {
		ids = append(ids, string(m.Id))
	}
	return "it has " + strings.Join(ids, ", ")
}

func (t *talk) notLoggedIn(hello acp.InitializeResponse, err error) error {
	var ids []string
	for _, m := range hello.AuthMethods {
		switch {
		case m.Agent != nil:
			ids = append(ids, m.Agent.Id)
		case m.EnvVar != nil:
			ids = append(ids, m.EnvVar.Id)
		case m.Terminal != nil:
			ids = append(ids, m.Terminal.Id)
		}
	}
	hint := "log in with it once by hand"
	if len(ids) > 0 {
		hint += ", or set auth to one of its methods: " + strings.Join(ids, ", ")
	}
	return agent.Refuse("%s has to be logged in: %w", t.config.Command[0], said(err)).WithCode("auth_required").WithHint(hint)
}

// said is what a tool said in an error.
func said(err error) error {
	e, ok := errors.AsType[*acp.RequestError](err)
	if !ok {
		return err
	}
	if data := text(jsonOf(e.Data)); data != "" && data != "{}" {
		return fmt.Errorf("%s (%d): %s", e.Message, e.Code, data)
	}
	return fmt.Errorf("%s (%d)", e.Message, e.Code)
}

// jsonOf is a value as it is, unless it is a map with one text, which is that text.
func jsonOf(v any) any {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for _, only := range m {
			if s, ok := only.(string); ok {
				return s
			}
		}
	}
	return v
}

// finish takes the end of the tool's turn.
func (t *talk) finish(answer acp.PromptResponse) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := answer.Usage; u != nil {
		spent := t.transcript.usage
		spent.InputTokens = int64(u.InputTokens + deref(u.CachedReadTokens) + deref(u.CachedWriteTokens))
		spent.OutputTokens, spent.CachedTokens = int64(u.OutputTokens), int64(deref(u.CachedReadTokens))
		spent.ReasoningTokens = int64(deref(u.ThoughtTokens))
		t.transcript.spent(spent)
	}
	program := t.config.Command[0]
	switch answer.StopReason {
	case acp.StopReasonMaxTokens:
		t.call.Finish("length")
	case acp.StopReasonMaxTurnRequests:
		t.call.Finish("budget")
	case acp.StopReasonRefusal:
		return agent.Refuse("%s declined%s", program, process.LastWords(t.transcript.text())).WithCode("refusal")
	case acp.StopReasonCancelled:
		return agent.Refuse("%s was cancelled by itself, not by this call", program).WithCode("cancelled").WithHint(t.transcript.goOn())
	case acp.StopReasonEndTurn:
		t.call.Finish("stop")
	default:
		t.call.Finish(string(answer.StopReason))
	}
	return nil
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// lost says whether the tool ended the conversation, which may show a moment after what failed of it.
func (t *talk) lost(tool *tool) bool {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-t.conn.Done():
		return true
	case <-tool.ended:
		return true
	case <-timer.C:
		return false
	}
}

// close ends what the tool has left, and waits for it.
func (t *talk) close() {
	t.mu.Lock()
	t.over = true
	left := t.terminals
	t.terminals = nil
	t.mu.Unlock()
	for _, term := range left {
		term.release()
	}
	<-t.conn.Done()
	t.requests.Wait()
}

// outcome says what became of the conversation. lost says that the tool ended it.
func (t *talk) outcome(ctx context.Context, spoke error, lost bool, tool *tool, stderr *process.Capture) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	secrets := t.config.secrets
	words := process.LastWords(secrets.Clean(string(stderr.Bytes())), secrets.Clean(t.lines.words()))
	program := t.config.Command[0]
	if ctx.Err() != nil {
		return t.config.stopped(context.Cause(ctx), t.call.Timeout(), words)
	}
	if spoke == nil {
		return nil
	}
	if e, ok := errors.AsType[*agent.Error](spoke); ok {
		return e
	}
	if e, ok := errors.AsType[*agent.Error](tool.err); ok {
		return e
	}
	if errors.Is(tool.err, process.ErrTooMuch) {
		return t.config.stopped(tool.err, t.call.Timeout(), words)
	}
	if !lost {
		return agent.Refuse("%s failed: %s%s", program, secrets.Clean(said(spoke).Error()), words).WithCode("failed").WithHint(t.transcript.goOn())
	}
	how := "closed its stdout"
	if tool.err == nil {
		how = fmt.Sprintf("ended (%s)", tool.state)
	}
	return agent.Refuse("%s %s before it answered%s", program, how, words).WithCode("exit").
		WithHint("run it by hand to see why: " + strings.Join(t.config.Command, " ") + "; it has to speak the Agent Client Protocol on stdin and stdout")
}

// serve answers what the tool asks and tells.
func (t *talk) serve(ctx context.Context, method string, params json.RawMessage) (any, *acp.RequestError) {
	if method == acp.ClientMethodSessionUpdate {
		defer t.lines.heard()
		return nil, t.told(params)
	}
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return nil, acp.NewInternalError("the call is over")
	}
	t.requests.Add(1)
	t.mu.Unlock()
	defer t.requests.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)() //nolint:contextcheck // the call's end ends what the tool waits for
	switch method {
	case acp.ClientMethodSessionRequestPermission:
		return on(ctx, params, t.permit)
	case acp.ClientMethodFsReadTextFile:
		return on(ctx, params, t.readFile)
	case acp.ClientMethodFsWriteTextFile:
		return on(ctx, params, t.writeFile)
	case acp.ClientMethodTerminalCreate:
		return on(ctx, params, t.openTerminal)
	case acp.ClientMethodTerminalOutput:
		return on(ctx, params, t.terminalOutput)
	case acp.ClientMethodTerminalWaitForExit:
		return on(ctx, params, t.awaitTerminal)
	case acp.ClientMethodTerminalKill:
		return on(ctx, params, t.killTerminal)
	case acp.ClientMethodTerminalRelease:
		return on(ctx, params, t.releaseTerminal)
	}
	return nil, acp.NewMethodNotFound(method)
}

// on reads the parameters of a request and serves it.
func on[P, R any](ctx context.Context, params json.RawMessage, serve func(context.Context, P) (R, *acp.RequestError)) (any, *acp.RequestError) {
	var p P
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, acp.NewInvalidParams(err.Error())
	}
	r, rerr := serve(ctx, p)
	if rerr != nil {
		return nil, rerr
	}
	return r, nil
}

// told takes a piece of news.
func (t *talk) told(params json.RawMessage) *acp.RequestError {
	var n acp.SessionNotification
	if err := json.Unmarshal(params, &n); err != nil {
		return acp.NewInvalidParams(err.Error()) // of a later version, or wrong: it is passed over
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || n.SessionId != t.session {
		return nil
	}
	switch u := n.Update; {
	case u.AgentMessageChunk != nil:
		if id := u.AgentMessageChunk.MessageId; id != nil && *id != t.message {
			t.message, t.transcript.cut = *id, true
		}
		t.transcript.write(contentText(u.AgentMessageChunk.Content))
	case u.AgentThoughtChunk != nil:
		t.transcript.think(contentText(u.AgentThoughtChunk.Content))
	case u.ToolCall != nil:
		c := u.ToolCall
		t.used(string(c.ToolCallId), c.Title, c.Kind, c.RawInput, c.Status, c.RawOutput, c.Content)
	case u.ToolCallUpdate != nil:
		c := u.ToolCallUpdate
		t.used(string(c.ToolCallId), value(c.Title), value(c.Kind), c.RawInput, value(c.Status), c.RawOutput, c.Content)
	case u.Plan != nil:
		t.plan(u.Plan.Entries)
	case u.UsageUpdate != nil:
		if cost := u.UsageUpdate.Cost; cost != nil && cost.Currency == "USD" && cost.Amount >= 0 && cost.Amount < 1e6 {
			spent := t.transcript.usage
			spent.CostMicroUSD = int64(cost.Amount*1e6 + 0.5)
			t.transcript.spent(spent)
		}
	}
	return nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func contentText(c acp.ContentBlock) string {
	switch {
	case c.Text != nil:
		return c.Text.Text
	case c.ResourceLink != nil:
		return c.ResourceLink.Uri
	}
	return ""
}

// used takes the beginning, a change or the end of the use of a tool.
func (t *talk) used(id, title string, kind acp.ToolKind, input any, status acp.ToolCallStatus, output any, content []acp.ToolCallContent) {
	if kind != "" {
		t.kinds[id] = kind
	}
	t.transcript.begin(id, title, raw(input))
	if status != acp.ToolCallStatusCompleted && status != acp.ToolCallStatusFailed {
		return
	}
	if output == nil && len(content) > 0 {
		var texts []string
		for _, c := range content {
			if c.Content != nil {
				texts = append(texts, contentText(c.Content.Content))
			}
		}
		output = strings.Join(texts, "\n")
	}
	t.transcript.end(id, raw(output), status == acp.ToolCallStatusFailed)
}

// plan tells how far a plan is.
func (t *talk) plan(entries []acp.PlanEntry) {
	done := 0
	for _, e := range entries {
		if e.Status == acp.PlanEntryStatusCompleted {
			done++
		}
	}
	i := slices.IndexFunc(entries, func(e acp.PlanEntry) bool { return e.Status == acp.PlanEntryStatusInProgress })
	if i < 0 {
		i = slices.IndexFunc(entries, func(e acp.PlanEntry) bool { return e.Status != acp.PlanEntryStatusCompleted })
	}
	if i >= 0 {
		t.call.Progress(float64(done)/float64(len(entries)), t.config.secrets.Clean(entries[i].Content))
	}
}
