package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/coder/acp-go-sdk"

	"github.com/parallax-run/parallax/plugins/process"
)

// Bounds of terminals.
const (
	defaultShown = 1 << 20 // bytes of output that are kept, unless the tool says how many
	mostShown    = 8 << 20
	mostOpen     = 64 // at a time
)

// terminal is a command that runs for the tool.
type terminal struct {
	stop  context.CancelFunc
	ended chan struct{}

	mu    sync.Mutex
	shown []byte // the end of what it printed
	limit int
	cut   bool // something is missing at the beginning

	state  *os.ProcessState // after ended
	absent bool             // there is no such program; after ended
}

// Write implements io.Writer.
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown = append(t.shown, b...)
	if over := len(t.shown) - t.limit; over > 0 {
		t.shown, t.cut = append(t.shown[:0], t.shown[over:]...), true
	}
	return len(b), nil
}

// release kills the command and waits for its end.
func (t *terminal) release() {
	t.stop()
	<-t.ended
}

// status is how the command ended, nil while it runs.
func (t *terminal) status() *acp.TerminalExitStatus {
	select {
	case <-t.ended:
	default:
		return nil
	}
	s := &acp.TerminalExitStatus{}
	switch {
	case t.state == nil && t.absent:
		code := 127 // as a shell says it
		s.ExitCode = &code
	case t.state == nil:
		killed := "SIGKILL"
		s.Signal = &killed
	case t.state.ExitCode() < 0:
		name := t.state.String()
		if w, ok := t.state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			name = w.Signal().String()
		}
		s.Signal = &name
	default:
		code := t.state.ExitCode()
		s.ExitCode = &code
	}
	return s
}

// openTerminal runs a command for the tool, and asks a person before where the configuration says so.
func (t *talk) openTerminal(ctx context.Context, p acp.CreateTerminalRequest) (acp.CreateTerminalResponse, *acp.RequestError) {
	var r acp.CreateTerminalResponse
	if !t.config.may(acp.ToolKindExecute) {
		return r, acp.NewMethodNotFound(acp.ClientMethodTerminalCreate)
	}
	dir := t.dir
	if p.Cwd != nil {
		rel, rerr := t.below(*p.Cwd)
		if rerr != nil {
			return r, rerr
		}
		dir = filepath.Join(t.dir, rel)
	}
	if p.Command == "" {
		return r, acp.NewInvalidParams("command is required")
	}
	line := strings.Join(append([]string{p.Command}, p.Args...), " ")
	about := map[string]any{"command": p.Command, "args": p.Args, "dir": dir}
	env := slices.Clip(t.config.environ)
	if len(p.Env) > 0 {
		about["env"] = p.Env // it can make another program of the command
	}
	for _, v := range p.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	if !has(t.config.Allow, acp.ToolKindExecute) && !t.consent(ctx, "run "+line, about) {
		return r, acp.NewInvalidRequest("a person refused to let it run " + line)
	}
	cmd := &process.Command{Argv: append([]string{p.Command}, p.Args...), Dir: dir, Env: env}
	term := &terminal{ended: make(chan struct{}), limit: defaultShown}
	if p.OutputByteLimit != nil {
		term.limit = min(max(*p.OutputByteLimit, 0), mostShown)
	}
	cmd.Stdout, cmd.Stderr = term, term
	return t.startTerminal(cmd, term) //nolint:contextcheck // it outlives the request
}

func (t *talk) startTerminal(cmd *process.Command, term *terminal) (acp.CreateTerminalResponse, *acp.RequestError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || len(t.terminals) >= mostOpen {
		return acp.CreateTerminalResponse{}, acp.NewInternalError("there are too many terminals; release some")
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.ctx))
	term.stop = stop
	go func() {
		defer close(term.ended)
		var err error
		if term.state, err = cmd.Run(ctx); err != nil && ctx.Err() == nil {
			term.absent = true
			_, _ = term.Write([]byte(err.Error() + "\n"))
		}
	}()
	id := "term-" + strconv.Itoa(t.opened)
	t.opened++
	t.terminals[id] = term
	t.transcript.note("runs " + strings.Join(cmd.Argv, " "))
	return acp.CreateTerminalResponse{TerminalId: id}, nil
}

// terminal finds an open terminal.
func (t *talk) terminal(id string) (*terminal, *acp.RequestError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if term := t.terminals[id]; term != nil {
		return term, nil
	}
	return nil, acp.NewInvalidParams("there is no terminal " + id)
}

func (t *talk) terminalOutput(_ context.Context, p acp.TerminalOutputRequest) (acp.TerminalOutputResponse, *acp.RequestError) {
	term, rerr := t.terminal(p.TerminalId)
	if rerr != nil {
		return acp.TerminalOutputResponse{}, rerr
	}
	status := term.status()
	term.mu.Lock()
	defer term.mu.Unlock()
	return acp.TerminalOutputResponse{
		Output: strings.ToValidUTF8(string(term.shown), ""), Truncated: term.cut, ExitStatus: status,
	}, nil
}

func (t *talk) awaitTerminal(ctx context.Context, p acp.WaitForTerminalExitRequest) (acp.WaitForTerminalExitResponse, *acp.RequestError) {
	term, rerr := t.terminal(p.TerminalId)
	if rerr != nil {
		return acp.WaitForTerminalExitResponse{}, rerr
	}
	select {
	case <-term.ended:
	case <-ctx.Done():
		return acp.WaitForTerminalExitResponse{}, acp.NewRequestCancelled(nil)
	}
	s := term.status()
	return acp.WaitForTerminalExitResponse{ExitCode: s.ExitCode, Signal: s.Signal}, nil
}

func (t *talk) killTerminal(_ context.Context, p acp.KillTerminalRequest) (acp.KillTerminalResponse, *acp.RequestError) {
	term, rerr := t.terminal(p.TerminalId)
	if rerr == nil {
		term.release()
	}
	return acp.KillTerminalResponse{}, rerr
}

func (t *talk) releaseTerminal(_ context.Context, p acp.ReleaseTerminalRequest) (acp.ReleaseTerminalResponse, *acp.RequestError) {
	term, rerr := t.terminal(p.TerminalId)
	if rerr != nil {
		return acp.ReleaseTerminalResponse{}, rerr
	}
	term.release()
	t.mu.Lock()
	delete(t.terminals, p.TerminalId)
	t.mu.Unlock()
	return acp.ReleaseTerminalResponse{}, nil
}
