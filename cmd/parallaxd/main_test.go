package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parallax-run/parallax/internal/testkit/torture"
)

// TestMain makes this test binary be parallaxd and its bundled agents.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && filepath.Base(os.Args[0]) != "parallaxd" && !strings.HasPrefix(os.Args[1], "-test.") {
		switch os.Args[1] {
		case "__agent":
			os.Exit(parallaxd(os.Args[1:]))
		case "ledger":
			torture.Serve(len(os.Args) > 2)
			return
		}
		os.Exit(2) // never the tests: they would start themselves again and again
	}
	testscript.Main(tests{m}, map[string]func(){"parallaxd": func() { os.Exit(parallaxd(os.Args[1:])) }})
}

// tests runs the tests, and stops what they share.
type tests struct{ *testing.M }

func (t tests) Run() int { return runAll(t.M) }

// TestScript tells the story of what needs no server.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a program and checks its exit code: exits 2 parallaxd run nothing.star
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("%s exited with %d, want %s", args[1], got, want)
	}
}
