// Package manual is `parallax doc`: the manual pages of the builtins, of the standard modules and of what tests can say.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern/moduledoc"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	llms, schema := false, ""
	cmd := &cobra.Command{
		Use:   "doc [NAME]",
		Short: "Print the manual page of a builtin or a standard module, or list them all",
		Long: `Print the manual page of a builtin, of a module such as json, of a standard module such as @std//cascade.star or a function of it, of what
only tests have, or of main or load. Without NAME all are listed; those marked * act on the world and only work in functions that main calls.

With --llms it prints docs/llms.txt: the language on one page, for a model that is to write patterns. With --schema it prints the JSON Schema of
parallax.toml or parallax.lock, for editors and programs.`,
		Example: "  parallax doc parallel\n  parallax doc json\n  parallax doc @std//confidence.star\n  parallax doc confidence.band\n  parallax doc\n  parallax doc --schema parallax.toml",
		Args:    cli.Args(0, 1, "one name"),
		RunE: func(_ *cobra.Command, args []string) error {
			if schema != "" {
				return printSchema(app, schema, llms || len(args) > 0)
			}
			text, err := asked(app, args, llms)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(app.Out, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&llms, "llms", false, "print the language on one page, for a model")
	cmd.Flags().StringVar(&schema, "schema", "", "print the JSON Schema of a `FILE`: "+manifest.FileName+" or "+manifest.LockName)
	return cmd
}

// printSchema prints the schema of a file.
func printSchema(app *cli.App, file string, more bool) error {
	text, ok := manifest.Schema(file)
	switch {
	case more:
		return cli.Usagef("leave the rest out", "--schema prints a schema and nothing else")
	case !ok:
		return cli.Usagef("there are those of "+manifest.FileName+" and "+manifest.LockName, "there is no schema of %s", file)
	}
	_, err := fmt.Fprint(app.Out, text)
	return err
}

// asked is the text that the command line asks for.
func asked(app *cli.App, args []string, llms bool) (string, error) {
	modules, err := moduledoc.Std(app.Std)
	if err != nil {
		return "", err
	}
	m := &manual{builtins: builtins.Decls(), modules: modules, tests: patterntest.Decls()}
	switch {
	case llms && len(args) > 0:
		return "", cli.Usagef("leave one of them out", "--llms is about everything, and %s one page", args[0])
	case llms:
		return LLMs(modules), nil
	case len(args) == 0:
		return m.list(), nil
	}
	return m.page(args[0])
}

// manual is everything that has a page, besides the topics.
type manual struct {
	builtins []*builtins.Decl
	modules  []moduledoc.Module
	tests    []*builtins.Decl
}

// list names everything that has a page, chapter by chapter, with a sentence each.
func (m *manual) list() string {
	var b strings.Builder
	width := 0
	for _, d := range m.builtins {
		width = max(width, len(d.Name))
	}
	line := func(mark, name, says string) { fmt.Fprintf(&b, "%s %-*s  %s\n", mark, width, name, says) }
	b.WriteString("The file\n")
	for _, t := range topics() {
		line(" ", t.name, t.summary)
	}
	for _, s := range builtins.Manual() {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, d := range s.Decls {
			mark := " "
			if d.Effect {
				mark = "*"
			}
			line(mark, d.Name, d.Summary())
		}
	}
	if len(m.modules) > 0 {
		b.WriteString("\nStandard modules, for load(\"@std//NAME.star\", ...)\n")
	}
	for _, mod := range m.modules {
		line(" ", mod.Name, mod.Summary())
	}
	b.WriteString("\nIn files of tests, *_test.star\n")
	for _, d := range m.tests {
		line(" ", d.Name, d.Summary())
	}
	b.WriteString("\n* acts on the world: only in functions that main calls. parallax doc NAME shows a page.\n")
	return b.String()
}

// page finds a page by its name, whatever its case: that of a builtin before that of a module of the same name, and at last by
// the last part of a name, as in encode for json.encode.
func (m *manual) page(name string) (string, error) {
	if label, ok := strings.CutPrefix(name, "@std//"); ok {
		return m.labelled(name, strings.TrimSuffix(label, ".star"))
	}
	if module, ok := strings.CutSuffix(name, ".star"); ok {
		return m.labelled(name, module)
	}
	for _, find := range []func(string) string{m.ofTopic, m.ofBuiltin, m.ofModule, m.ofTest, m.ofValue, m.ofLastPart} {
		if page := find(name); page != "" {
			return page, nil
		}
	}
	return "", cli.Usagef(m.near(name), "there is no builtin and no module %q", name)
}

// labelled is the page of a module by its label.
func (m *manual) labelled(label, name string) (string, error) {
	var names []string
	for _, mod := range m.modules {
		if mod.Name == name {
			return mod.Page(), nil
		}
		names = append(names, mod.Name)
	}
	hint := "parallax doc lists the modules"
	if near := runtime.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean @std//%s.star? parallax doc lists all", near)
	}
	return "", cli.Usagef(hint, "there is no standard module %q", label)
}

func (m *manual) ofTopic(name string) string {
	for _, t := range topics() {
		if strings.EqualFold(t.name, name) {
			return t.text
		}
	}
	return ""
}

// ofBuiltin is the page of a builtin or a module of builtins, with the way to the standard module of the same name.
func (m *manual) ofBuiltin(name string) string {
	page := builtins.Page(strings.ToLower(name))
	for _, d := range m.builtins {
		if strings.EqualFold(d.Name, name) {
			page = text(d)
		}
	}
	if page == "" {
		return ""
	}
	for _, mod := range m.modules {
		if strings.EqualFold(mod.Name, name) {
			page += fmt.Sprintf("\n  There is a standard module of that name, too: parallax doc %s\n", mod.Label)
		}
	}
	return page
}

func (m *manual) ofModule(name string) string {
	for _, mod := range m.modules {
		if strings.EqualFold(mod.Name, name) {
			return mod.Page()
		}
		for _, f := range mod.Funcs {
			if strings.EqualFold(f.Module+"."+f.Name, name) {
				return functionPage(mod, f)
			}
		}
	}
	return ""
}

func (m *manual) ofTest(name string) string {
	var all strings.Builder
	for _, d := range m.tests {
		if strings.EqualFold(d.Name, name) {
			return text(d)
		}
		if strings.EqualFold(name, "assert") && strings.HasPrefix(d.Name, "assert.") {
			all.WriteString(text(d) + "\n")
		}
	}
	return strings.TrimSuffix(all.String(), "\n")
}

// ofValue is the page of the builtin that gives such a value: of vote for a Tally.
func (m *manual) ofValue(name string) string {
	for _, d := range m.builtins {
		for kind := range strings.SplitSeq(d.Result, " or ") {
			if strings.EqualFold(kind, name) && kind != strings.ToLower(kind) {
				return fmt.Sprintf("%s is what %s gives.\n\n%s", kind, d.Name, text(d))
			}
		}
	}
	return ""
}

func (m *manual) ofLastPart(name string) string {
	for _, d := range m.builtins {
		if _, last, ok := strings.Cut(d.Name, "."); ok && strings.EqualFold(last, name) {
			return text(d)
		}
	}
	var pages []string
	for _, mod := range m.modules {
		for _, f := range mod.Funcs {
			if strings.EqualFold(f.Name, name) {
				pages = append(pages, functionPage(mod, f))
			}
		}
	}
	return strings.Join(pages, "\n")
}

// functionPage is the page of a function, with where it is from.
func functionPage(m moduledoc.Module, f moduledoc.Func) string {
	return fmt.Sprintf("load(%q, %q)\n\n%s", m.Label, f.Name, f.Page())
}

// near says what was probably meant.
func (m *manual) near(name string) string {
	var names []string
	for _, t := range topics() {
		names = append(names, t.name)
	}
	for _, d := range append(slices.Clip(m.builtins), m.tests...) {
		names = append(names, d.Name)
	}
	for _, mod := range m.modules {
		names = append(names, mod.Name)
		for _, f := range mod.Funcs {
			names = append(names, f.Module+"."+f.Name)
		}
	}
	if near := runtime.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s? parallax doc lists all", near)
	}
	return "parallax doc lists them"
}

// text is the page of a builtin.
func text(d *builtins.Decl) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", d.Signature())
	for line := range strings.Lines(strings.TrimSpace(d.Doc) + "\n") {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	if d.Effect {
		b.WriteString("\n  An effect: it acts on the world and is recorded.\n")
	}
	return b.String()
}
