package story

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/parallax-run/parallax/runtime"
)

// TextOptions say how Text draws. The zero value draws everything, without colours.
type TextOptions struct {
	// Width is where lines are cut, in what Columns counts; zero cuts none.
	Width int
	// Columns measures a text without control characters; nil counts characters.
	Columns func(string) int
	// Paint colours a part of a line; nil paints nothing. Role is a Status, or "faint" for what matters less.
	Paint func(role, text string) string
	// Branches is how many branches of a fork are drawn before the rest is counted, those that failed among them; zero draws all.
	Branches int
}

// Text draws the run as a tree, one line for each node.
func Text(w io.Writer, r *Run, o TextOptions) error {
	if o.Columns == nil {
		o.Columns = func(s string) int { return len([]rune(s)) }
	}
	if o.Paint == nil {
		o.Paint = func(_, text string) string { return text }
	}
	out := bufio.NewWriter(w)
	d := drawing{TextOptions: o, w: out}
	d.line("", "", r.Root)
	d.below("", r.Root)
	return out.Flush()
}

type drawing struct {
	TextOptions
	w *bufio.Writer
}

// below draws the children of a node; prefix stands before each of their lines.
func (d *drawing) below(prefix string, n *Node) {
	shown, folded := Chosen(n.Children, d.fold(n))
	for i, c := range shown {
		stem, under := "├─ ", "│  "
		if i == len(shown)-1 && folded == 0 && n.Silent() == 0 {
			stem, under = "└─ ", "   "
		}
		d.line(prefix, stem, c)
		d.below(prefix+under, c)
	}
	if more := folded + n.Silent(); more > 0 {
		what := "more"
		if n.Kind == Fork && folded == 0 {
			what = "without an effect"
		}
		fmt.Fprintf(d.w, "%s└─ %s\n", prefix, d.Paint("faint", fmt.Sprintf("%d %s", more, what)))
	}
}

func (d *drawing) fold(n *Node) int {
	if n.Kind == Fork && d.Branches > 0 {
		return d.Branches
	}
	return len(n.Children)
}

// Chosen picks at most so many nodes, those that are not done before all others, and keeps their order. It says how many it left out.
func Chosen(nodes []*Node, most int) (shown []*Node, folded int) {
	if len(nodes) <= most {
		return nodes, 0
	}
	most = max(most, 0)
	special := 0
	for _, n := range nodes {
		if n.Status != Done && n.Status != Cancelled {
			special++
		}
	}
	plain := max(most-special, 0)
	shown = make([]*Node, 0, most)
	for _, n := range nodes {
		switch ordinary := n.Status == Done || n.Status == Cancelled; {
		case len(shown) == most:
		case !ordinary:
			shown = append(shown, n)
		case plain > 0:
			plain--
			shown = append(shown, n)
		}
	}
	return shown, len(nodes) - len(shown)
}

func (d *drawing) line(prefix, stem string, n *Node) {
	head, tail := clean(n.Title()), strings.Join(n.facts(), ", ")
	left := d.Width - d.Columns(prefix+stem)
	if d.Width > 0 {
		head = d.fit(head, max(left, 8))
		tail = d.fit(tail, max(left-d.Columns(head)-2, 0))
	}
	text := d.Paint("faint", prefix+stem) + d.Paint(string(n.Status), head)
	if tail != "" {
		text += "  " + d.Paint("faint", tail)
	}
	_, _ = d.w.WriteString(strings.TrimRight(text, " ") + "\n")
}

func (d *drawing) fit(s string, n int) string {
	if d.Columns(s) <= n {
		return s
	}
	for cut := []rune(s); len(cut) > 0; {
		cut = cut[:len(cut)-1]
		if short := string(cut) + "…"; d.Columns(short) <= n {
			return short
		}
	}
	return ""
}

// Title says in a few words what a node is: its place, its kind and its name. It is not safe for a terminal.
func (n *Node) Title() string {
	parts := []string{n.Where(), string(n.Kind), n.Name}
	switch n.Kind {
	case RunNode:
		if n.Where() == "" {
			parts = []string{or(n.Name, "run"), n.Run}
		}
	case Fork:
		parts = []string{n.Where(), or(n.Name, "fork")}
	case Branch:
		parts = []string{n.Where(), n.Name}
	case Agent:
		parts = []string{n.Where(), or(n.Name, "agent"), quoted(n.Task)}
	case Count:
		parts = []string{string(n.Addr.Path), or(n.Name, "count")}
	case Agents, Sleep, Signal, Approval, Budget, Phase, Log, Emit, Gate, Unknown:
	}
	return joined(" ", parts...)
}

// facts is what there is to say behind the title.
func (n *Node) facts() []string {
	var list []string
	add := func(s string) {
		if s != "" {
			list = append(list, s)
		}
	}
	if n.Status != Done || n.Kind == RunNode {
		add(string(n.Status))
	}
	if n.Kind == Fork && n.Branches > 0 {
		add(fmt.Sprintf("%d branches", n.Branches))
	}
	for _, s := range []Status{Failed, Cancelled} {
		if k := n.Count(s); k > 0 && n.Kind == Fork {
			add(fmt.Sprintf("%d %s", k, s))
		}
	}
	if took := n.Took(); took >= time.Millisecond {
		add(Elapsed(took))
	}
	if n.Cached() {
		add("cached")
	}
	if n.Attempt > 1 {
		add(fmt.Sprintf("%d attempts", n.Attempt))
	}
	if n.Calls > 0 && n.Kind != Agent && n.Kind != Branch {
		add(fmt.Sprintf("%d calls", n.Calls))
	}
	if n.Kind == Agent || n.Kind == RunNode {
		if tokens := n.Usage.InputTokens + n.Usage.OutputTokens; tokens > 0 {
			add(fmt.Sprintf("%d tokens", tokens))
		}
		if n.Usage.CostMicroUSD > 0 {
			add(Dollars(n.Usage.CostMicroUSD))
		}
	}
	if said := n.Says(); said != "" && n.Kind != Branch {
		add("→ " + clean(said))
	}
	return list
}

// Says is what came of a node in a line: the answer, the outcome, or what it failed of. It is not safe for a terminal.
func (n *Node) Says() string {
	switch {
	case n.Err != nil:
		return string(n.Err.Code) + ": " + n.Err.Message
	case len(n.Votes) == 1 && n.Votes[0].At == "$":
		return n.Votes[0].String()
	case n.Answer != nil:
		said := Excerpt(n.Answer.Value)
		if c := n.Answer.Confidence; c != nil {
			said += fmt.Sprintf(" (confidence %.2f)", *c)
		}
		return said
	case string(n.Outcome) == string(runtime.Null):
		return Excerpt(n.Input)
	}
	return Excerpt(n.Outcome)
}

// maxExcerpt bounds an Excerpt in bytes.
const maxExcerpt = 160

// Excerpt is the beginning of a value.
func Excerpt(p runtime.Payload) string {
	if len(p) > maxExcerpt {
		return strings.ToValidUTF8(string(p[:maxExcerpt]), "") + "…"
	}
	return string(p)
}

// Elapsed writes a duration as people say it.
func Elapsed(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// Dollars writes an amount in millionths of a dollar, with two digits that say something.
func Dollars(micro int64) string {
	switch usd := float64(micro) / 1e6; {
	case micro >= 10_000:
		return fmt.Sprintf("$%.2f", usd)
	case micro >= 100:
		return fmt.Sprintf("$%.4f", usd)
	default:
		return fmt.Sprintf("$%.6f", usd)
	}
}

// clean makes a text of one line that cannot steer a terminal.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
	}), " ")
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return "“" + s + "”"
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func joined(sep string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, sep)
}
