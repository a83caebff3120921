// Package version is `parallax version`.
package version

import (
	"fmt"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// about is what is known of this executable.
type about struct {
	Version  string `json:"version"`
	Language string `json:"language"` // a run can be resumed under the same one
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  " + app.Name() + " version\n  " + app.Name() + " version --json",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			a := about{app.Version, runtime.ABI, goruntime.Version(), goruntime.GOOS, goruntime.GOARCH}
			if asJSON {
				return cli.JSON(app, a)
			}
			_, err := fmt.Fprintf(app.Out, "%s %s (language %s, %s, %s/%s)\n", app.Name(), a.Version, a.Language, a.Go, a.OS, a.Arch)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
