//go:build unix

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/plugins/agent/agenttest"
	"github.com/parallax-run/parallax/plugins/cli"
)

// The test binary is also the tool under test.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		os.Exit(be(os.Args[2], os.Args[3:]))
	}
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.") {
			fmt.Fprintln(os.Stderr, "unknown argument", arg)
			os.Exit(2)
		}
	}
	goleak.VerifyTestMain(m)
}

func be(what string, args []string) int {
	switch what {
	case "print": // a file, and end with a code
		b, _ := os.ReadFile(args[0])
		_, _ = os.Stdout.Write(b)
		code, _ := strconv.Atoi(args[1])
		return code
	case "args":
		b, _ := json.Marshal(args)
		fmt.Print(string(b))
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "file":
		b, _ := os.ReadFile(args[0])
		fmt.Printf("%s: %s", args[0], b)
	case "env":
		fmt.Print(os.Getenv(args[0]))
	case "moan":
		fmt.Fprintln(os.Stderr, "not logged in")
		return 3
	case "flood":
		for {
			if _, err := fmt.Println(strings.Repeat("x", 1000)); err != nil {
				return 1
			}
		}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		_ = os.WriteFile(args[0]+".new", []byte(strconv.Itoa(os.Getpid())), 0o600)
		_ = os.Rename(args[0]+".new", args[0])
		select {}
	case "acp":
		return beAgent(args)
	default:
		return 2
	}
	return 0
}

type object = map[string]any

func self(args ...string) []string { return append([]string{os.Args[0], "as"}, args...) }

func open(t *testing.T, config object, secrets map[string]string) *agenttest.Agent {
	t.Helper()
	a, err := agenttest.Open(t, cli.Agent(), config, secrets)
	require.NoError(t, err)
	return a
}

func run(t *testing.T, config object, ask agenttest.Request) (agenttest.Reply, error) {
	t.Helper()
	return open(t, config, nil).Run(t.Context(), ask)
}

// failure is the agent's own error.
func failure(t *testing.T, err error) *agenttest.Error {
	t.Helper()
	e, ok := errors.AsType[*agenttest.Error](err)
	require.True(t, ok, "want an error of the agent, got %v", err)
	return e
}

// printed is a tool of a preset that prints a file.
func printed(preset, file string, code int) object {
	path, err := filepath.Abs(filepath.Join("testdata", file))
	if err != nil {
		panic(err)
	}
	return object{"preset": preset, "command": self("print", path, strconv.Itoa(code))}
}

func awaitPid(t *testing.T, file string) int {
	t.Helper()
	var pid int
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(file)
		if err == nil {
			pid, err = strconv.Atoi(string(b))
		}
		return err == nil
	}, 30*time.Second, 5*time.Millisecond)
	return pid
}

func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 5*time.Millisecond)
}
