package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parallax-run/parallax/plugins/agent"
	programs "github.com/parallax-run/parallax/plugins/process"
)

// process is one run of the command.
type process struct {
	config *Config
	args   []string
	stdin  []byte
	limit  time.Duration // how long the host waits for the answer; zero means for ever
	parent string        // trace context, which the command gets as TRACEPARENT; or ""

	stdout, stderr programs.Capture
	state          *os.ProcessState
	code           int
}

// do runs the command to its end. Nothing that it started runs any more when do returns.
func (p *process) do(ctx context.Context) error {
	env := p.config.environ
	if p.parent != "" {
		env = append(slices.Clip(env), "TRACEPARENT="+p.parent)
	}
	p.stdout.Max, p.stderr.Max = p.config.MaxOutput, p.config.MaxOutput
	cmd := programs.Command{
		Argv: append([]string{p.config.Command[0]}, p.args...), Dir: p.config.dir, Env: env,
		Stdin: bytes.NewReader(p.stdin), Stdout: &p.stdout, Stderr: &p.stderr, Limit: p.limit,
	}
	var err error
	if p.state, err = cmd.Run(ctx); err != nil {
		return p.stopped(err)
	}
	return p.ended()
}

// stopped is the error of a command that we ended.
func (p *process) stopped(cause error) error {
	if errors.Is(cause, programs.ErrTooMuch) {
		return agent.Refuse("%s printed more than %d bytes%s", p.config.Command[0], p.config.MaxOutput, p.said()).
			WithCode("too_much_output").WithHint("raise max_output in parallax.toml, or let it print less")
	}
	if errors.Is(cause, programs.ErrTooLong) {
		return agent.TimedOut("%s did not end within %s%s", p.config.Command[0], p.limit, p.said()).
			WithCode("too_long").WithHint("give the call more time: ask(..., timeout=...)")
	}
	return cause
}

// ended reads the exit code.
func (p *process) ended() error {
	if p.code = p.state.ExitCode(); p.code < 0 {
		return agent.Refuse("%s was ended by a signal (%s)%s", p.config.Command[0], p.state, p.lastWords()).
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
		if !json.Valid(out) || !utf8.Valid(p.stdout.Bytes()) {
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
func (p *process) text(c *programs.Capture) string { return p.config.secrets.Clean(string(c.Bytes())) }

// byHand is the next step where only the command itself can tell what is wrong with it.
func (p *process) byHand() string {
	return "run it by hand to see why: " + strings.Join(p.config.Command, " ")
}

// said is ": " and the end of what the command printed on stderr, or "".
func (p *process) said() string { return programs.LastWords(p.text(&p.stderr)) }

// lastWords is ": " and the end of what the command printed on stderr, or on stdout if there is nothing.
func (p *process) lastWords() string { return programs.LastWords(p.text(&p.stderr), p.text(&p.stdout)) }
