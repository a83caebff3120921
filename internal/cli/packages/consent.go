package packages

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/screen"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/origin"
)

// consenter asks a person what an agent may do.
type consenter struct {
	app *cli.App
	yes bool
}

// ask shows what an agent asks for and has it granted.
func (c consenter) ask(ctx context.Context, a market.Ask) error {
	more := market.Widened(a.Had, a.Wants)
	fmt.Fprint(c.app.Err, asking(a, more))
	if c.yes || len(more) == 0 {
		return nil
	}
	yes, there, err := screen.Ask(ctx, c.app.In, c.app.Err, "grant it?")
	switch {
	case err != nil || yes:
		return err
	case !there:
		return &market.Error{
			Code: market.Refused, Message: fmt.Sprintf("%s %s was not installed: nobody is here to grant what it asks for", a.Source, a.Version),
			Hint: "--yes grants it; or run it in a terminal, where it can ask",
		}
	}
	fmt.Fprintf(c.app.Err, "not granted, so %s was not installed\n", a.Source)
	return &cli.Told{Code: cli.Stopped}
}

// asking is what a person is shown.
func asking(a market.Ask, more []string) string {
	var b strings.Builder
	switch {
	case len(more) == 0:
		fmt.Fprintf(&b, "%s %s asks for nothing\n", a.Source, a.Version)
		return b.String()
	case a.Had != nil:
		fmt.Fprintf(&b, "%s %s asks for more than it was granted:\n", a.Source, a.Version)
		for _, m := range more {
			kind, item, _ := strings.Cut(m, " ")
			fmt.Fprintf(&b, "  + %-9s %s\n", word(kind), clean(item))
		}
		b.WriteString("in all:\n")
	default:
		fmt.Fprintf(&b, "%s %s asks for\n", a.Source, a.Version)
	}
	fmt.Fprintf(&b, "    %-9s %s\n", "built by", builder(a))
	for _, line := range lines(a.Wants) {
		fmt.Fprintf(&b, "    %-9s %s\n", line[0], line[1])
	}
	return b.String()
}

// builder is who built what asks, as far as it is known.
func builder(a market.Ask) string {
	switch a.Origin {
	case origin.Verified:
		return clean(a.Builder)
	case origin.None:
		return "nobody says"
	case origin.Unknown, origin.Refused:
	}
	return "somebody: it was not checked"
}

// word is a kind of permission as people call it.
func word(kind string) string {
	switch kind {
	case "net":
		return "network"
	case "exec":
		return "programs"
	}
	return kind
}

func lines(p *manifest.Permissions) [][2]string {
	var all [][2]string
	for _, l := range []struct {
		kind  string
		items []string
	}{{"net", p.Net}, {"secrets", p.Secrets}, {"read", p.Read}, {"write", p.Write}, {"exec", p.Exec}} {
		if len(l.items) > 0 {
			all = append(all, [2]string{word(l.kind), clean(strings.Join(l.items, ", "))})
		}
	}
	if p.Memory > 0 {
		all = append(all, [2]string{"memory", fmt.Sprintf("%d MiB", p.Memory>>20)})
	}
	if p.Sandbox != "" {
		all = append(all, [2]string{"sandbox", p.Sandbox + " at least"})
	}
	return all
}

// clean is a text of somebody else without what could move a cursor, or show another text than it is.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
