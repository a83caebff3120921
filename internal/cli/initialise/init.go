// Package initialise is `parallax init`.
package initialise

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

//go:embed template
var template embed.FS

// Options are what the command line says.
type Options struct {
	App *cli.App
	Dir string // "" is the working directory
}

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	o := &Options{App: app}
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Start a project",
		Long: `Write a project that runs as it is, without a key: parallax.toml with agents whose answers stand in the file, a pattern,
a README and a .gitignore. No file that is there is changed.`,
		Example: "  parallax init hello && cd hello && parallax run",
		Args:    cli.Args(0, 1, "one directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Dir = args[0]
			}
			return o.Run()
		},
	}
}

// Run writes the files.
func (o *Options) Run() error {
	dir := o.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(o.App.Dir, dir)
	}
	files, err := o.files(filepath.Base(dir))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			return cli.Usagef("choose another directory, or move the file away", "%s is there already", cli.Short(o.App.Dir, filepath.Join(dir, f.name)))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cli.Usagef("choose another directory", "cannot make the directory: %v", err)
	}
	for _, f := range files {
		if err := create(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
		fmt.Fprintf(o.App.Err, "wrote %s\n", cli.Short(o.App.Dir, filepath.Join(dir, f.name)))
	}
	next := "parallax run"
	if o.Dir != "" && o.Dir != "." {
		next = fmt.Sprintf("cd %s && parallax run", shellWord(o.Dir))
	}
	_, err = fmt.Fprintf(o.App.Err, "\nnow: %s\n", next)
	return err
}

// shellWord quotes a path where a shell would take it apart.
func shellWord(path string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./-]+$`).MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// file is one file of a new project.
type file struct {
	name string
	text []byte
}

func (o *Options) files(name string) ([]file, error) {
	name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(name, "-"), "-")
	if name == "" {
		name = "project"
	}
	var files []file
	err := fs.WalkDir(template, "template", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := template.ReadFile(path)
		if err != nil {
			return err
		}
		target := strings.TrimPrefix(path, "template/")
		if target == "gitignore" {
			target = ".gitignore"
		}
		files = append(files, file{target, bytes.ReplaceAll(text, []byte("PROJECT"), []byte(name))})
		return nil
	})
	return files, err
}

// create writes a file that must not be there.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
