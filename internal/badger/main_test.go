package badger

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
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

// work is what a process of a test does: the task, then words for it.
func work(task string) int {
	words := strings.Fields(task)
	dir := os.Getenv("STORE_TEST_DIR")
	do := map[string]func(dir string, words []string) error{"hold": hold, "write": write, "churn": churn, "inherit": inherit, "import": importing}[words[0]]
	if do == nil {
		do = systemTasks()[words[0]]
	}
	if do == nil {
		fmt.Fprintln(os.Stderr, "there is no task", task)
		return 2
	}
	if err := do(dir, words[1:]); err != nil {
		fmt.Fprintln(os.Stderr, task+":", err)
		return 1
	}
	return 0
}

// hold has the store open until stdin ends.
func hold(dir string, _ []string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

// write goes on with a run until it has so many facts, and tells of each that is durable.
func write(dir string, words []string) error {
	n, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	l, err := s.Lease(words[0])
	if err != nil {
		return err
	}
	had, err := l.Load(words[0])
	if err != nil {
		return err
	}
	for i := len(had) &^ 1; i < n; i += 2 {
		l.Note(words[0], done("", i+1, strconv.Itoa(i)))
		if err := l.Append(words[0], done("", i+2, strconv.Itoa(i+1))); err != nil {
			return err
		}
		fmt.Println(i + 2)
	}
	if err := l.End(func(r *Record) { r.Status = Done }); err != nil {
		return err
	}
	return s.Close()
}
