// Package plugin is `parallax plugin`: for authors of agents.
package plugin

import (
	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "plugin",
		Short:   "Write and test agents",
		Example: "  parallax plugin new words --lang python\n  parallax plugin test",
	}, newCmd(app), testCmd(app))
}
