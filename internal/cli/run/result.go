package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/events"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/runtime"
)

// report is the line that --json prints.
type report struct {
	Run     string          `json:"run"`
	Status  string          `json:"status"` // done, failed, cancelled or suspended
	Exit    int             `json:"exit"`
	Result  runtime.Payload `json:"result,omitempty"`
	Error   *events.Error   `json:"error,omitempty"`
	Seconds float64         `json:"seconds,omitempty"`
	Seed    uint64          `json:"seed,omitempty"`
	Calls   int             `json:"calls,omitempty"`
	Usage   *runtime.Usage  `json:"usage,omitempty"`
}

// finish shows how the run ended and prints its result.
func (o *Options) finish(s *sinks, result runtime.Payload, err error) error {
	exit := cli.ExitOf(err)
	status := statusOf(err)
	s.screen.Summary(status, exit == cli.Done)
	if lost := s.finish(); lost != nil && err == nil {
		err = lost
	}
	switch {
	case o.JSON:
		return o.finishJSON(s.tally(), status, exit, result, err)
	case err != nil || s.stdout:
		return err
	}
	return printResult(o.App.Out, result)
}

// tally is what the run took: by its record, if there is one, else by what was told of it.
func (s *sinks) tally() screen.Tally {
	t := s.screen.Close()
	if s.took != nil {
		took := s.took()
		t.Calls, t.Usage = took.Calls, took.Usage
	}
	return t
}

// Ended prints the result of a run that is over, or the error in which it ended.
func (o *Options) Ended(r *badger.Record) error {
	var err error
	if r.Error != nil {
		err = r.Error
	}
	return o.print(screen.Tally{Started: r.Started, Ended: r.Ended, Calls: r.Calls, Usage: r.Usage}, string(r.Status), r.Result, err)
}

// Print prints the result of a run that ended elsewhere, or gives back the error in which it ended.
func (o *Options) Print(t screen.Tally, result runtime.Payload, err error) error {
	return o.print(t, statusOf(err), result, err)
}

func (o *Options) print(t screen.Tally, status string, result runtime.Payload, err error) error {
	if o.JSON {
		return o.finishJSON(t, status, cli.ExitOf(err), result, err)
	}
	if err != nil {
		return err
	}
	return printResult(o.App.Out, result)
}

func (o *Options) finishJSON(t screen.Tally, status string, exit cli.Exit, result runtime.Payload, err error) error {
	r := report{
		Run: o.ID, Status: status, Exit: int(exit), Result: result, Seconds: t.Ended.Sub(t.Started).Seconds(),
		Seed: o.Seed, Calls: t.Calls,
	}
	if t.Usage != (runtime.Usage{}) {
		r.Usage = &t.Usage
	}
	if err == nil {
		return cli.JSON(o.App, r)
	}
	r.Error = failureOf(o.App.Dir, err)
	if lost := cli.JSON(o.App, r); lost != nil {
		return lost
	}
	return &cli.Told{Code: cli.Tell(o.App, err)}
}

func statusOf(err error) string {
	if is[*cli.SuspendedError](err) {
		return "suspended"
	}
	switch cli.ExitOf(err) {
	case cli.Done:
		return "done"
	case cli.Stopped:
		return "cancelled"
	case cli.Suspended:
		if is[*cli.Advised](err) { // this command left it, and somebody else goes on
			return "running"
		}
	case cli.PatternFailed, cli.Usage, cli.Source, cli.AgentStart, cli.OverLimit, cli.NeedsPerson:
	}
	return "failed"
}

// failureOf is any error as JSON has it: with the pattern's own code, or with one that says what kind of trouble it is.
func failureOf(dir string, err error) *events.Error {
	if e, ok := errors.AsType[*runtime.Error](err); ok && !is[*cli.SuspendedError](err) {
		return events.ErrorOf(e)
	}
	var what, hints []string
	for _, f := range cli.Explain(dir, err) {
		what = append(what, f.What)
		if f.Hint != "" {
			hints = append(hints, f.Hint)
		}
	}
	return &events.Error{Code: cli.ExitOf(err).Code(), Message: strings.Join(what, "\n"), Hint: strings.Join(hints, "\n")}
}

// printResult prints a string as it is and anything else as indented JSON.
func printResult(w io.Writer, result runtime.Payload) error {
	var text string
	if len(result) > 0 && result[0] == '"' && json.Unmarshal(result, &text) == nil {
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if _, ok := screen.Terminal(w); ok {
			text = strings.Map(visible, text)
		}
		_, err := io.WriteString(w, text)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, result, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// visible shows a control character, with which an agent's answer could move the cursor or set the window's title.
func visible(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
		return unicode.ReplacementChar
	}
	return r
}
