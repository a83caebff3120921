package packages

import (
	"bytes"
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/market"
)

type auditOptions struct {
	options
	json bool
}

// NewAuditCmd makes `parallax audit`.
func NewAuditCmd(app *cli.App) *cobra.Command {
	o := &auditOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Compare the packages of this project with what the index says of them",
		Long: `Compare what parallax.lock has with what the index says of it now. What was removed, and what is not what the index knows, is serious: the exit code is 1. Told are also what
is yanked or deprecated, what asks for more in its newest version, what nobody vouches for, and what is in no index.`,
		Example: "  parallax audit\n  parallax audit --json",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each finding")
	return cmd
}

func (o *auditOptions) run(ctx context.Context) error {
	_, lock, _, err := locked(o.app)
	if err != nil {
		return err
	}
	if len(lock.Packages) == 0 {
		fmt.Fprintln(o.app.Err, noPackages)
		return nil
	}
	m, err := o.listed()
	if err != nil {
		return err
	}
	found, err := m.Audit(ctx, lock)
	if err != nil {
		return err
	}
	if err := o.print(found); err != nil {
		return err
	}
	serious := 0
	for _, f := range found {
		if f.Serious {
			serious++
		}
	}
	fmt.Fprintf(o.app.Err, "%s looked at, %s, %d of them serious\n", count(len(lock.Packages), "package"), count(len(found), "finding"), serious)
	if serious > 0 {
		return &cli.Told{Code: cli.PatternFailed}
	}
	return nil
}

func (o *auditOptions) print(found []market.Finding) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, f := range found {
		if o.json {
			if err := cli.JSON(o.app, f); err != nil {
				return err
			}
			continue
		}
		how := "remark"
		if f.Serious {
			how = "SERIOUS"
		}
		hint := ""
		if f.Hint != "" {
			hint = ": " + f.Hint
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s%s\n", how, f.Source, f.Version, f.Message, hint)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := table.WriteTo(o.app.Out)
	return err
}
