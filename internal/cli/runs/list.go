package runs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/span"
	"github.com/parallax-run/parallax/internal/story"
	"github.com/parallax-run/parallax/runtime"
)

// filter says which runs are listed.
type filter struct {
	pattern string
	status  string
	since   span.Value
	limit   int
}

func (f *filter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.pattern, "pattern", "", "only runs of patterns whose path or name matches `GLOB`")
	cmd.Flags().StringVar(&f.status, "status", "", "only runs that are running, suspended, done, failed, cancelled or lost")
	cmd.Flags().Var(&f.since, "since", "only runs that started in this `time` before now, such as 24h or 7d")
	cmd.Flags().IntVar(&f.limit, "limit", 50, "at most so many runs, the newest; 0 lists all")
}

func listCmd(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the runs that are kept, newest first",
		Long: `List the runs that are kept, newest first. A run that is lost was ended without a word, as when its machine lost power; like one that
is suspended it can be resumed.`,
		Example: "  parallax runs list --status failed --since 24h\n  parallax runs list --pattern 'review*' --json",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.list(cmd.Context()) },
	}
	o.filter.flags(cmd)
	return cmd
}

// wanted is the filter as the store takes it. One run more than the limit says whether there are more.
func (f *filter) wanted(now time.Time) (badger.Filter, error) {
	want := badger.Filter{Pattern: f.pattern, Status: badger.Status(f.status)}
	if f.limit < 0 {
		return want, cli.Usagef("give a number from 0", "--limit cannot be %d", f.limit)
	} else if f.limit > 0 {
		want.Limit = f.limit + 1
	}
	if _, err := path.Match(f.pattern, ""); err != nil {
		return want, cli.Usagef("* stands for any characters, ? for one, [abc] for one of these", "--pattern cannot be %q", f.pattern)
	}
	if f.since > 0 {
		want.Since = now.Add(-time.Duration(f.since))
	}
	var names []string
	for _, s := range []badger.Status{badger.Running, badger.Suspended, badger.Done, badger.Failed, badger.Cancelled, badger.Lost} {
		if f.status == "" || want.Status == s {
			return want, nil
		}
		names = append(names, string(s))
	}
	hint := "there are " + strings.Join(names, ", ")
	if near := runtime.Nearest(f.status, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return want, cli.Usagef(hint, "no run is ever %q", f.status)
}

func (o *Options) list(ctx context.Context) error {
	want, err := o.filter.wanted(time.Now())
	if err != nil {
		return err
	}
	dir, exists, err := o.dir()
	if err != nil {
		return err
	}
	if !exists {
		return o.nothing("no run is kept in %s yet: parallax run --keep keeps one", dir)
	}
	return o.in(ctx, dir, badger.Options{ReadOnly: true}, func(s *badger.Store) error {
		list, err := s.Records(want)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return o.nothing("no such run is kept in %s", dir)
		}
		return o.print(s, list)
	})
}

func (o *Options) nothing(format string, args ...any) error {
	if o.JSON {
		return nil
	}
	_, err := fmt.Fprintf(o.App.Err, format+"\n", args...)
	return err
}

// print writes the runs. Those that have not ended have their calls counted.
func (o *Options) print(s *badger.Store, list []badger.Record) error {
	more := o.filter.limit > 0 && len(list) > o.filter.limit
	if more {
		list = list[:o.filter.limit]
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPATTERN\tSTATUS\tSTARTED\tTOOK\tCALLS\tCOST")
	for i := range list {
		r := &list[i]
		if err := count(s, r); err != nil {
			return err
		}
		if o.JSON {
			if err := cli.JSON(o.App, o.headOf(r)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.ID, clean(r.Pattern), standing(r), r.Started.Local().Format(time.DateTime), elapsed(took(r)), r.Calls, cost(r.Usage))
	}
	if o.JSON {
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		if _, err := io.WriteString(o.App.Out, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	o.advise(list, more)
	return nil
}

// standing is the status of a run as the list has it.
func standing(r *badger.Record) string {
	if r.Damaged != "" {
		return string(r.Status) + ", damaged"
	}
	return string(r.Status)
}

// advise says below a list what can be done with what is in it.
func (o *Options) advise(list []badger.Record, more bool) {
	if more {
		fmt.Fprintf(o.App.Err, "there are more: --limit 0 lists all\n")
	}
	for _, s := range []badger.Status{badger.Lost, badger.Suspended} {
		n, first := 0, ""
		for i := range list {
			if list[i].Status == s {
				if n++; n == 1 {
					first = o.next(&list[i])
				}
			}
		}
		if n > 0 {
			fmt.Fprintf(o.App.Err, "%d %s: go on with %s\n", n, s, first)
		}
	}
}

// count fills in what a run that has not ended took so far.
func count(s *badger.Store, r *badger.Record) error {
	if r.Status.Final() || r.Status == badger.Suspended {
		return nil
	}
	t, err := Story(s, r)
	if err != nil {
		return err
	}
	r.Calls, r.Usage = t.Root.Calls, t.Root.Usage
	return nil
}

func cost(u runtime.Usage) string {
	if u.CostMicroUSD == 0 {
		return "-"
	}
	return story.Dollars(u.CostMicroUSD)
}

func elapsed(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return story.Elapsed(d)
}

// clean makes a text of one line that cannot steer a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
