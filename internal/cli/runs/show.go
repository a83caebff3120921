package runs

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

func showCmd(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one run: its tree, what was asked and answered, what it cost, and when",
		Long: `Show one run: its head and inputs, the tree of what it did, what its agents were asked and answered, when each of them worked, and its
result. Long values and long lists are cut; --full cuts nothing.`,
		Example: "  parallax runs show 20260504-101112-k2f7qa\n  parallax runs show 2026 --json",
		Args:    cli.Args(1, 1, "the id of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.show(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&o.full, "full", false, "cut no value and no list")
	return cmd
}

func (o *Options) show(ctx context.Context, id string) error {
	return o.look(ctx, id, func(s *badger.Store) error {
		r, err := find(s, id)
		if err != nil {
			return err
		}
		family, err := keep.Family(s, r.ID)
		if err != nil {
			return err
		}
		t, next := storyOf(&r, family), o.next(&r)
		if r.Status == badger.Suspended {
			next = o.sends(r.ID, family) + next
		}
		if o.JSON {
			return cli.JSON(o.App, o.shownOf(&r, t))
		}
		return o.page(&r, t, next)
	})
}

// sends are the commands that give a suspended run what it waits for.
func (o *Options) sends(id string, family []keep.Member) string {
	list := ""
	if len(keep.Approvals(family)) > 0 {
		list = o.command("approve "+id+" CHOICE") + "; then "
	}
	for _, name := range keep.Awaited(family) {
		list += o.command("signal "+id+" "+name+" JSON") + "; then "
	}
	return list
}

// page is a run as text.
type page struct {
	*bufio.Writer
	width int // of the terminal, or 0
	full  bool
	color func(role, text string) string
}

const (
	maxCalls    = 50  // shown one by one
	maxBranches = 20  // of a fork
	maxShown    = 400 // bytes of a value
)

func (o *Options) page(r *badger.Record, t *story.Run, next string) error {
	p := &page{Writer: bufio.NewWriter(o.App.Out), full: o.full}
	if f, ok := screen.Terminal(o.App.Out); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && !o.full {
			p.width = w
		}
		p.color = paint(o.App.LookupEnv)
	}
	p.head(r, t, next)
	p.value("input", r.Inputs)
	fmt.Fprintf(p, "\ntree\n")
	branches := maxBranches
	if o.full {
		branches = 0
	}
	if err := story.Text(p, t, story.TextOptions{Width: p.width, Branches: branches, Paint: p.color}); err != nil {
		return err
	}
	calls := calls(t)
	p.calls(t, calls)
	p.timeline(t, calls)
	p.end(r)
	return p.Flush()
}

func (p *page) head(r *badger.Record, t *story.Run, next string) {
	fmt.Fprintf(p, "run %s: %s\n", r.ID, r.Status)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(p, "  %-9s %s\n", name, clean(text))
		}
	}
	line("pattern", r.Pattern)
	line("started", r.Started.Local().Format(time.DateTime))
	if d := took(r); d > 0 {
		line("took", story.Elapsed(d))
	}
	line("calls", totals(t))
	line("program", "parallax "+r.Version)
	if r.Origin != "" {
		line("from", r.Origin+" at "+r.From)
	}
	if r.Holder != 0 {
		line("process", fmt.Sprint(r.Holder))
	}
	if r.Status == badger.Suspended {
		line("why", r.Why)
	}
	if r.Damaged != "" {
		line("damaged", "some of what was recorded is lost, or may be: "+r.Damaged)
	}
	line("next", next)
}

func totals(t *story.Run) string {
	s := fmt.Sprint(t.Root.Calls)
	if n := t.Root.Usage.InputTokens + t.Root.Usage.OutputTokens; n > 0 {
		s += fmt.Sprintf(", %d tokens", n)
	}
	if t.Root.Usage.CostMicroUSD > 0 {
		s += ", " + story.Dollars(t.Root.Usage.CostMicroUSD)
	}
	return s
}

// value is a section of one value.
func (p *page) value(name string, v runtime.Payload) {
	if len(v) > 0 {
		fmt.Fprintf(p, "\n%s\n  %s\n", name, p.cut(v))
	}
}

// cut is a value as JSON, on one line, and not too long.
func (p *page) cut(v runtime.Payload) string {
	if p.full || len(v) <= maxShown {
		return clean(string(v))
	}
	return clean(strings.ToValidUTF8(string(v[:maxShown]), "")) + fmt.Sprintf("… (%d bytes)", len(v))
}

// calls lists the agent calls of a run and its child runs in the order of the tree.
func calls(t *story.Run) []*story.Node {
	var list []*story.Node
	t.Root.Walk(func(n *story.Node, _ int) bool {
		if n.Kind == story.Agent {
			list = append(list, n)
		}
		return true
	})
	return list
}

// childOf is what stands before the address of a node of a child run where the whole run is meant, as --from takes it: 3/ for the child run at 3.
func childOf(root string, n *story.Node) string {
	if in, ok := strings.CutPrefix(n.Run, root+"/"); ok {
		return in + "/"
	}
	return ""
}

func (p *page) calls(t *story.Run, list []*story.Node) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(p, "\nagent calls\n")
	for _, n := range p.first(list) {
		fmt.Fprintf(p, "  %s: %s\n", clean(childOf(t.Root.Run, n)+n.Title()), strings.Join(callFacts(n), ", "))
		if len(n.Input) > 0 && string(n.Input) != "{}" {
			fmt.Fprintf(p, "    asked  %s\n", p.cut(n.Input))
		}
		switch {
		case n.Err != nil:
			fmt.Fprintf(p, "    failed %s\n", clean(n.Says()))
		case n.Answer != nil:
			fmt.Fprintf(p, "    said   %s\n", p.cut(n.Answer.Value))
		}
	}
	p.rest(list)
}

func callFacts(n *story.Node) []string {
	list := []string{string(n.Status)}
	add := func(yes bool, format string, args ...any) {
		if yes {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(n.Took() > 0, "%s", story.Elapsed(n.Took()))
	add(n.Cached(), "cached")
	add(n.Attempt > 1, "%d attempts", n.Attempt)
	tokens := n.Usage.InputTokens + n.Usage.OutputTokens
	add(tokens > 0, "%d tokens", tokens)
	add(n.Usage.CostMicroUSD > 0, "%s", story.Dollars(n.Usage.CostMicroUSD))
	if n.Answer != nil && n.Answer.Confidence != nil {
		add(true, "confidence %.2f", *n.Answer.Confidence)
	}
	return list
}

func (p *page) first(list []*story.Node) []*story.Node {
	if p.full {
		return list
	}
	return list[:min(len(list), maxCalls)]
}

func (p *page) rest(list []*story.Node) {
	if n := len(list) - len(p.first(list)); n > 0 {
		fmt.Fprintf(p, "  %d more: --full shows all\n", n)
	}
}

func (p *page) end(r *badger.Record) {
	p.value("result", r.Result)
	if r.Error == nil {
		return
	}
	fmt.Fprintf(p, "\nerror\n  %s: %s\n", r.Error.Code, clean(r.Error.Message))
	if r.Error.Hint != "" {
		fmt.Fprintf(p, "  hint: %s\n", clean(r.Error.Hint))
	}
	for line := range strings.Lines(r.Error.Backtrace()) {
		fmt.Fprintf(p, "  %s\n", clean(strings.TrimRight(line, "\n")))
	}
}
