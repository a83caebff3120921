// Command deciding simulates panels of agents whose errors are known, and shows what each way of deciding makes of them.
//
// Everything comes from one seed, so that the tables and the plot in docs/deciding.md can be made again: make deciding. The simulation uses
// the same kernels as the builtins. Its voters are not models: it shows what follows from assumptions, which the page states.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "deciding:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("deciding", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "seed of all chance")
	questions := flags.Int("questions", 20000, "questions asked in each scenario")
	docs := flags.String("docs", "", "directory in which deciding.md and deciding.svg are rewritten; empty prints the tables")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *questions < 100 {
		return fmt.Errorf("-questions %d is less than 100, which shows nothing", *questions)
	}
	study := Study{Seed: *seed, Questions: *questions}
	if *docs == "" {
		_, err := io.WriteString(out, study.tables())
		return err
	}
	return study.write(*docs)
}

// write puts the tables between the marks of deciding.md, and the plot beside it.
func (s Study) write(dir string) error {
	page := filepath.Join(dir, "deciding.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	filled, err := fill(string(text), s.tables())
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	if err := os.WriteFile(page, []byte(filled), 0o644); err != nil { //nolint:gosec // a public document
		return err
	}
	return os.WriteFile(filepath.Join(dir, "deciding.svg"), []byte(s.plot()), 0o644) //nolint:gosec // a public document
}
