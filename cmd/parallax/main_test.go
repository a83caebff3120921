package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/github"
	"github.com/parallax-run/parallax/internal/testkit/torture"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
)

// TestMain makes this test binary be parallax, its bundled agents, and agents that misbehave.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && filepath.Base(os.Args[0]) != "parallax" && !strings.HasPrefix(os.Args[1], "-test.") {
		switch os.Args[1] {
		case "__agent":
			os.Exit(parallax(os.Args[1:]))
		case interpreter.Word:
			os.Exit(beInterpreter(os.Args[2:]))
		case "attempts":
			fmt.Println(strings.Join(escapes(os.Getppid()), "\n"))
			return
		case "hangs":
			serveHanging()
			return
		case "faulty":
			serveFaulty()
			return
		case "ledger":
			torture.Serve(len(os.Args) > 2)
			return
		default: // never the tests: they would start themselves again and again
			os.Exit(2)
		}
	}
	testscript.Main(m, map[string]func(){"parallax": func() { os.Exit(begin(tested(), os.Args[1:])) }})
}

// TestScript tells the story of each command as a script.
func TestScript(t *testing.T) {
	t.Parallel()
	sdk, err := filepath.Abs("../../plugins/agent")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	toolchain := goEnv(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "hub": hub, "index": serveIndex},
		Setup: func(e *testscript.Env) error {
			e.Setenv("SDK", sdk)
			e.Setenv("SELF", self)
			e.Setenv("HOME", filepath.Join(e.WorkDir, ".home"))
			e.Setenv("PARALLAX_INDEX", "off") // unless a script has one
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
			e.Values[hubs{}], e.Values[scriptT{}] = new(*github.Server), e.T()
			e.Values[shelves{}] = new(*shelf)
			for name, value := range toolchain {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}

// goEnv is what scripts need to build with Go as this test was built, since they have a home of their own.
func goEnv(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "-json", "GOARCH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOTOOLCHAIN").Output()
	require.NoError(t, err)
	vars := make(map[string]string)
	require.NoError(t, json.Unmarshal(out, &vars))
	return vars
}

// exits runs a program and checks its exit code: exits 2 parallax run nothing.star
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
