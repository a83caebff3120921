package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/process"
)

// runLines runs the command once and reads what it prints.
func runLines(ctx context.Context, c *agent.Call[Config], t *transcript, prompt string) error {
	argv, stdin, drop, err := handOver(c.Config.Command, prompt)
	if err != nil {
		return err
	}
	defer drop()
	out := &reader{transcript: t, config: c.Config, max: c.Config.MaxOutput}
	stderr := &process.Capture{Max: c.Config.MaxOutput}
	cmd := process.Command{
		Argv: argv, Dir: c.Workdir(), Env: c.Config.environment(c.Traceparent()),
		Stdin: bytes.NewReader(stdin), Stdout: out, Stderr: stderr, Limit: c.Timeout(),
	}
	state, err := cmd.Run(ctx)
	if err == nil {
		err = out.rest()
	}
	said := func() string {
		secrets := c.Config.secrets
		return process.LastWords(secrets.Clean(t.failure), secrets.Clean(string(stderr.Bytes())), secrets.Clean(t.warning), secrets.Clean(string(out.odd.Bytes())))
	}
	if err != nil {
		return c.Config.stopped(err, c.Timeout(), said())
	}
	return c.Config.ended(t, state, said())
}

// handOver gives the prompt its place: in an argument, in a file, or on stdin.
func handOver(command []string, prompt string) (argv []string, stdin []byte, drop func(), err error) {
	argv, stdin, drop = slices.Clone(command), []byte(prompt), func() {}
	for i, word := range argv {
		if i > 0 && strings.Contains(word, inArgument) {
			if strings.ContainsRune(prompt, 0) {
				return nil, nil, drop, agent.BadInput("the prompt has a zero byte, which no argument can hold").
					WithHint("leave " + inArgument + " out of command: then it is read on stdin")
			}
			// A prompt must not be read as an option.
			if argv[i], stdin = strings.ReplaceAll(word, inArgument, prompt), nil; strings.HasPrefix(argv[i], "-") && strings.HasPrefix(word, inArgument) {
				argv[i] = " " + argv[i]
			}
		}
	}
	if !slices.ContainsFunc(argv, func(w string) bool { return strings.Contains(w, inFile) }) || stdin == nil {
		return argv, stdin, drop, nil
	}
	path, err := promptFile(prompt)
	if err != nil {
		return nil, nil, drop, fmt.Errorf("cannot write the prompt: %w", err)
	}
	for i, word := range argv {
		argv[i] = strings.ReplaceAll(word, inFile, path)
	}
	return argv, nil, func() { _ = os.Remove(path) }, nil
}

func promptFile(prompt string) (string, error) {
	f, err := os.CreateTemp("", "prompt-*.txt")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(prompt)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}

// stopped is the error of a command that did not come to its end.
func (c *Config) stopped(cause error, limit fmt.Stringer, said string) error {
	program := c.Command[0]
	switch {
	case errors.Is(cause, process.ErrTooMuch):
		return agent.Refuse("%s printed more than %d bytes%s", program, c.MaxOutput, said).
			WithCode("too_much_output").WithHint("raise max_output in parallax.toml")
	case errors.Is(cause, process.ErrTooLong):
		return agent.TimedOut("%s did not end within %s%s", program, limit, said).
			WithCode("too_long").WithHint("give the call more time: ask(..., timeout=...)")
	}
	return cause
}

// ended says what is wrong with a command that came to its end, if anything is.
func (c *Config) ended(t *transcript, state *os.ProcessState, said string) error {
	program, byHand := c.Command[0], "run it by hand to see why: "+strings.Join(c.Command, " ")
	switch code := state.ExitCode(); {
	case code < 0:
		return agent.Refuse("%s was ended by a signal (%s)%s", program, state, said).WithCode("signal").WithHint(byHand)
	case !slices.Contains(c.OKCodes, code):
		return agent.Refuse("%s ended with exit code %d%s", program, code, said).WithCode("exit").WithHint(byHand)
	case t.failure != "":
		return agent.Refuse("%s failed%s", program, said).WithCode("failed").WithHint(t.goOn())
	case len(c.Lines) == 0 || t.answer != nil || t.text() != "":
		return nil
	case t.lines == 0:
		return agent.Refuse("%s printed no line of JSON that its settings know%s", program, said).WithCode("not_json").
			WithHint(`check lines or preset in parallax.toml, or use output = "text"`)
	}
	return agent.Refuse("%s ended without an answer%s", program, said).WithCode("no_answer").WithHint(byHand)
}

// goOn tells a person how to look into a session, where the tool named one.
func (t *transcript) goOn() string {
	if t.session == "" {
		return ""
	}
	return "its session is " + t.session
}

// reader reads what a command prints on stdout while it comes.
type reader struct {
	transcript *transcript
	config     *Config
	max        int // bytes in all

	count int
	line  []byte          // the part of a line that has come
	odd   process.Capture // lines that are no JSON objects, to quote
}

// Write implements io.Writer.
func (r *reader) Write(b []byte) (int, error) {
	if r.count += len(b); r.count > r.max {
		return 0, process.ErrTooMuch
	}
	r.line = append(r.line, b...)
	for {
		line, rest, whole := bytes.Cut(r.line, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		if err := r.read(append(line, '\n')); err != nil {
			return 0, err
		}
		r.line = append(r.line[:0], rest...)
	}
}

// rest reads a last line without an end.
func (r *reader) rest() error { return r.read(r.line) }

func (r *reader) read(line []byte) error {
	if len(r.config.Lines) == 0 {
		r.transcript.write(string(line))
		return nil
	}
	var v map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		r.odd.Max = 4 << 10
		_, _ = r.odd.Write(line) // the first of them will do
		return nil               //nolint:nilerr // it means nothing here
	}
	for i := range r.config.Lines {
		if l := &r.config.Lines[i]; matches(l.When, v) {
			r.apply(l, v)
		}
	}
	return nil
}

// apply takes out of a line what a rule finds there.
func (r *reader) apply(l *Line, v any) {
	r.transcript.lines++
	if l.Each == "" {
		r.take(l, v)
		return
	}
	list, _ := at(v, l.Each).([]any)
	for _, e := range list {
		if matches(l.And, e) {
			r.take(l, e)
		}
	}
}

func (r *reader) take(l *Line, v any) {
	t := r.transcript
	t.write(textAt(v, l.Text))
	t.think(textAt(v, l.Thinking))
	if l.Answer != "" {
		answer := textAt(v, l.Answer)
		t.answer = &answer
	}
	if l.Error != "" {
		t.failure = textAt(v, l.Error)
		if t.failure == "" {
			t.failure = "it does not say why"
		}
	}
	t.warn(textAt(v, l.Warning))
	t.named(textAt(v, l.Session))
	if finish := textAt(v, l.Finish); finish != "" {
		t.call.Finish(finish)
	}
	u := usageOf(t.usage, l.Usage, v)
	if model := textAt(v, l.Model); model != "" {
		u.Model = model
	}
	t.spent(u)
	if l.Tool != nil {
		r.tool(l.Tool, v)
	}
}

func (r *reader) tool(tool *Tool, v any) {
	id := textAt(v, tool.ID)
	if id == "" {
		return
	}
	if name := textAt(v, tool.Name); name != "" {
		var arguments json.RawMessage
		if tool.Arguments != "" {
			arguments = raw(at(v, tool.Arguments))
		}
		r.transcript.begin(id, name, arguments)
	}
	if len(tool.Done) == 0 || !matches(tool.Done, v) {
		return
	}
	var output json.RawMessage
	if tool.Output != "" {
		output = raw(at(v, tool.Output))
	}
	r.transcript.end(id, output, len(tool.Failed) > 0 && matches(tool.Failed, v))
}
