package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/parallax-run/parallax/plugins/agent"
)

// process is one run of the command.
type process struct {
	config *Config
	args   []string
	stdin  []byte
	limit  time.Duration // how long the host waits for the answer; zero means for ever
	parent string        // trace context, which the command gets as TRACEPARENT; or ""

	stdout, stderr capture
	code           int
}

// grace is how long the command may take to end after it was told to.
const grace = time.Second

// Why we stopped a command.
var (
	errTooMuch = errors.New("it prints too much")
	errTooLong = errors.New("it takes too long")
)

// headStart is by how much we stop waiting before the host does, which does not know what the command printed.
func headStart(limit time.Duration) time.Duration { return min(limit/10, 3*grace/2) }

// do runs the command to its end. Nothing that it started runs any more when do returns.
func (p *process) do(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := grace
	if p.limit > 0 {
		head := headStart(p.limit)
		patience = min(grace, head/2)
		defer time.AfterFunc(p.limit-head, func() { cancel(errTooLong) }).Stop()
	}
	cmd := exec.CommandContext(ctx, p.config.Command[0], p.args...)
	cmd.Dir, cmd.Env = p.config.dir, p.config.environ
	if p.parent != "" {
		cmd.Env = append(slices.Clip(cmd.Env), "TRACEPARENT="+p.parent)
	}
	cmd.WaitDelay = patience
	isolate(cmd)
	p.stdout = capture{max: p.config.MaxOutput, full: func() { cancel(errTooMuch) }}
	p.stderr = capture{max: p.config.MaxOutput, full: func() { cancel(errTooMuch) }}
	wait, err := p.start(cmd)
	if err != nil {
		return p.notStarted(ctx, err)
	}
	err = cmd.Wait()
	sweep(cmd)
	wait()
	if cause := context.Cause(ctx); cause != nil {
		return p.stopped(cause)
	}
	return p.ended(err)
}

// start starts the command with pipes of our own, so that a child of its that keeps one open cannot hold us up: wait
// returns when all writers are gone, or after grace.
func (p *process) start(cmd *exec.Cmd) (wait func(), err error) {
	var ends pipes
	in, inW := ends.pipe()
	outR, out := ends.pipe()
	errR, errW := ends.pipe()
	if ends.err != nil {
		ends.close()
		return nil, ends.err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errW
	if err := cmd.Start(); err != nil {
		ends.close()
		return nil, err
	}
	closeAll(in, out, errW) // the command has its own
	var work sync.WaitGroup
	work.Go(func() {
		_, _ = inW.Write(p.stdin) // a command need not read
		_ = inW.Close()
	})
	work.Go(func() { _, _ = io.Copy(&p.stdout, outR) })
	work.Go(func() { _, _ = io.Copy(&p.stderr, errR) })
	return func() {
		give := time.AfterFunc(grace, func() { closeAll(outR, errR) }) // to a process that fled from its group
		defer give.Stop()
		_ = inW.Close()
		work.Wait()
		closeAll(outR, errR)
	}, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// pipes opens pipes until one fails.
type pipes struct {
	files []*os.File
	err   error
}

func (p *pipes) pipe() (r, w *os.File) {
	if p.err != nil {
		return nil, nil
	}
	if r, w, p.err = os.Pipe(); p.err == nil {
		p.files = append(p.files, r, w)
	}
	return r, w
}

func (p *pipes) close() { closeAll(p.files...) }

// capture keeps what is written to it up to max bytes, and then calls full. It hides the buffer's ReadFrom, which knows no max.
type capture struct {
	kept bytes.Buffer
	max  int
	full func()
}

func (c *capture) Write(b []byte) (int, error) {
	if room := c.max - c.kept.Len(); len(b) > room {
		c.kept.Write(b[:max(room, 0)])
		c.full()
		return 0, errTooMuch
	}
	return c.kept.Write(b)
}

func (p *process) notStarted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	program := p.config.Command[0]
	if st, serr := os.Stat(p.config.dir); p.config.dir != "" && (serr != nil || !st.IsDir()) {
		return agent.Refuse("cannot run %s: there is no directory %s", program, p.config.dir).
			WithCode("no_directory").WithHint("check dir in parallax.toml")
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return agent.Refuse("there is no program %q on PATH", program).
			WithCode("no_program").WithHint("install it, or check command in parallax.toml")
	case errors.Is(err, fs.ErrNotExist):
		return agent.Refuse("there is no program %s", program).
			WithCode("no_program").WithHint("check command in parallax.toml; a path is relative to the agent's directory")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR):
		return agent.Refuse("%s may not be executed", program).WithCode("no_program").WithHint("chmod +x " + program)
	}
	return agent.Refuse("cannot run %s: %w", program, err).WithCode("no_program")
}

// stopped is the error of a command that we ended.
func (p *process) stopped(cause error) error {
	if errors.Is(cause, errTooMuch) {
		return agent.Refuse("%s printed more than %d bytes%s", p.config.Command[0], p.config.MaxOutput, p.said()).
			WithCode("too_much_output").WithHint("raise max_output in parallax.toml, or let it print less")
	}
	if errors.Is(cause, errTooLong) {
		return agent.TimedOut("%s did not end within %s%s", p.config.Command[0], p.limit, p.said()).
			WithCode("too_long").WithHint("give the call more time: ask(..., timeout=...)")
	}
	return cause
}

// ended reads the exit code.
func (p *process) ended(err error) error {
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		return agent.Refuse("%s: %w", p.config.Command[0], err)
	}
	if failed {
		p.code = exit.ExitCode()
	}
	if p.code < 0 {
		return agent.Refuse("%s was ended by a signal (%s)%s", p.config.Command[0], exit.ProcessState, p.lastWords()).
			WithCode("signal").WithHint(p.byHand())
	}
	if p.config.OnExit == "fail" && !slices.Contains(p.config.OKCodes, p.code) {
		return agent.Refuse("%s ended with exit code %d%s", p.config.Command[0], p.code, p.lastWords()).
			WithCode("exit").WithHint(p.byHand())
	}
	return nil
}

// answer is what the command printed, in the form that the configuration asks for.
func (p *process) answer() (json.RawMessage, error) {
	switch p.config.Output {
	case "text":
		return json.Marshal(strings.TrimSuffix(p.text(&p.stdout), "\n"))
	case "json":
		out := bytes.TrimSpace([]byte(p.text(&p.stdout)))
		if !json.Valid(out) || !utf8.Valid(p.stdout.kept.Bytes()) {
			return nil, agent.Refuse("%s printed something that is not JSON (exit code %d)%s", p.config.Command[0], p.code, p.lastWords()).
				WithCode("not_json").WithHint(`use output = "text", or let it print one JSON value on stdout`)
		}
		return out, nil
	}
	return json.Marshal(struct {
		ExitCode int    `json:"exit_code"`
		Stdout   string `json:"stdout"`
		Stderr   string `json:"stderr"`
	}{p.code, p.text(&p.stdout), p.text(&p.stderr)})
}

// text is what was captured as UTF-8, without the values of secrets.
func (p *process) text(c *capture) string {
	text := c.kept.String()
	for _, secret := range p.config.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// byHand is the next step where only the command itself can tell what is wrong with it.
func (p *process) byHand() string {
	return "run it by hand to see why: " + strings.Join(p.config.Command, " ")
}

// said is ": " and the end of what the command printed on stderr, or "".
func (p *process) said() string {
	if p.stderr.kept.Len() == 0 {
		return ""
	}
	return p.lastWords()
}

// lastWords is ": " and the end of what the command printed on stderr, or on stdout if there is nothing.
func (p *process) lastWords() string {
	text := strings.TrimSpace(p.text(&p.stderr))
	if text == "" {
		text = strings.TrimSpace(p.text(&p.stdout))
	}
	const most = 2000 // bytes
	if len(text) > most {
		text = "..." + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	if text == "" {
		return ""
	}
	return ": " + text
}
