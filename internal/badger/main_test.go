package badger

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or is one of the processes that they start: those are told what to do by the environment and take no arguments.
func TestMain(m *testing.M) {
	if task := os.Getenv("STORE_TEST_TASK"); task != "" {
		if len(os.Args) > 1 {
			fmt.Fprintln(os.Stderr, "a process of a test takes no arguments")
			os.Exit(2)
		}
		os.Exit(work(task))
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "unknown arguments", flag.Args())
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}

func work(task string) int {
	fmt.Fprintln(os.Stderr, "there is no task", task)
	return 2
}
