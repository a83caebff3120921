package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/runtime"
)

// completionCmd prints the script that makes a shell complete commands, flags and files.
func completionCmd(app *App) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print the completion script of a shell: " + strings.Join(shells, ", "),
		Example:   strings.ReplaceAll("  source <(parallax completion bash)\n  parallax completion zsh > \"${fpath[1]}/_parallax\"\n  parallax completion fish > ~/.config/fish/completions/parallax.fish", "parallax", app.Name()),
		Args:      Args(1, 1, "the name of one shell"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(app.Out, true)
			case "zsh":
				return root.GenZshCompletion(app.Out)
			case "fish":
				return root.GenFishCompletion(app.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(app.Out)
			}
			hint := "there are " + strings.Join(shells, ", ")
			if near := runtime.Nearest(args[0], shells); near != "" {
				hint = "did you mean " + near + "?"
			}
			return Usagef(hint, "there is no completion for the shell %q", args[0])
		},
	}
}
