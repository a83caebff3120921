// Package person asks the person at the terminal: for approvals, and for agents that have a question.
package person

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Person is somebody at a terminal. One question is asked at a time; others wait for their turn.
type Person struct {
	name  string
	out   io.Writer
	open  func() (io.ReadCloser, error)
	aside func(talk func())
	turn  chan struct{} // holds a token while somebody is asked
}

// New makes a person called name, as the record says who decided. Questions appear on out, answers are read from what open
// gives, and aside gives the terminal free for a talk.
func New(name string, out io.Writer, open func() (io.ReadCloser, error), aside func(talk func())) *Person {
	return &Person{name: name, out: out, open: open, aside: aside, turn: make(chan struct{}, 1)}
}

// Decide implements local.People.
func (p *Person) Decide(ctx context.Context, a runtime.Approval) (runtime.Payload, error) {
	q := question{title: a.Title, context: a.Context, options: a.Options}
	if a.By != "" {
		q.title += " (for " + a.By + ")"
	}
	choice, comment, err := p.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]string{"by": p.name, "choice": choice, "comment": comment})
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

// Answer puts an agent's question.
func (p *Person) Answer(ctx context.Context, q host.Question) (runtime.Payload, error) {
	text, _, err := p.ask(ctx, question{title: q.Agent + ": " + q.Prompt, context: q.Context, options: q.Options})
	if err != nil {
		return nil, err
	}
	if q.Schema != nil {
		if v, err := runtime.Canonical([]byte(text)); err == nil {
			return v, nil
		}
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

// question is what is put to the person.
type question struct {
	title   string
	context runtime.Payload
	options []string // empty means any text
}

// ask waits for the person's turn and asks until there is an answer that fits.
func (p *Person) ask(ctx context.Context, q question) (answer, comment string, err error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return "", "", err
	}
	p.aside(func() { answer, comment, err = p.talk(ctx, q) })
	return answer, comment, err
}

func (p *Person) talk(ctx context.Context, q question) (string, string, error) {
	in, err := p.open()
	if err != nil {
		return "", "", &engine.NeedsPerson{What: fmt.Sprintf("%q needs a person, and the terminal cannot be read: %v", q.title, err)}
	}
	defer in.Close()
	release := context.AfterFunc(ctx, func() { interrupt(in) })
	defer release()
	p.show(q)
	lines := bufio.NewReader(in)
	for {
		_, _ = io.WriteString(p.out, "> ")
		line, err := lines.ReadString('\n')
		if ctx.Err() != nil {
			_, _ = io.WriteString(p.out, "\n")
			return "", "", ctx.Err()
		}
		line = strings.TrimSpace(line)
		if err != nil && line == "" {
			_, _ = io.WriteString(p.out, "\n")
			return "", "", &engine.NeedsPerson{What: fmt.Sprintf("%q was left without an answer", q.title)}
		}
		if answer, comment, ok := q.match(line); ok {
			return answer, comment, nil
		}
		fmt.Fprintf(p.out, "please answer with %s\n", q.choices())
	}
}

// interrupt ends a read that waits.
func interrupt(in io.ReadCloser) {
	if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
		return
	}
	in.Close()
}

func (p *Person) show(q question) {
	fmt.Fprintf(p.out, "\n? %s\n", printable(q.title))
	if len(q.context) > 0 && string(q.context) != "null" {
		fmt.Fprintf(p.out, "%s\n", printable(shown(q.context)))
	}
	for i, o := range q.options {
		fmt.Fprintf(p.out, "  %d) %s\n", i+1, printable(o))
	}
	if len(q.options) > 0 {
		fmt.Fprintf(p.out, "  a number or a name; a comment may follow\n")
	}
}

// maxShown bounds, in bytes, how much of a question's context is shown.
const maxShown = 16 << 10

// shown is a context as people read it: text as it is, anything else as indented JSON.
func shown(p runtime.Payload) string {
	var text string
	if json.Unmarshal(p, &text) != nil {
		var v any
		if json.Unmarshal(p, &v) == nil {
			if b, err := json.MarshalIndent(v, "", "  "); err == nil {
				text = string(b)
			}
		}
	}
	if len(text) > maxShown {
		text = text[:maxShown] + " ..."
	}
	return text
}

// match finds the option that a line means: its number, its name, or either with a comment behind it.
func (q question) match(line string) (answer, comment string, ok bool) {
	if len(q.options) == 0 {
		return line, "", line != ""
	}
	for _, o := range q.options {
		if strings.EqualFold(line, o) {
			return o, "", true
		}
	}
	for _, o := range q.options {
		if rest, found := cutFold(line, o+" "); found {
			return o, strings.TrimSpace(rest), true
		}
	}
	first, rest, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(strings.TrimRight(first, ".):"))
	if err != nil || n < 1 || n > len(q.options) {
		return "", "", false
	}
	return q.options[n-1], strings.TrimSpace(rest), true
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func (q question) choices() string {
	if len(q.options) == 0 {
		return "some text"
	}
	return "one of " + strings.Join(q.options, ", ")
}

// printable keeps line ends and drops what could take over the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return ' '
		}
		return r
	}, s)
}

// Terminal opens the terminal of this process for reading, so that waiting for an answer can be stopped.
func Terminal() (io.ReadCloser, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err == nil {
		return tty, nil
	}
	if errors.Is(err, os.ErrNotExist) {
		return io.NopCloser(os.Stdin), nil
	}
	return nil, err
}
