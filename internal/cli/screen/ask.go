package screen

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Ask asks a person a question that y or yes affirms. there is false when nobody is there to be asked: one of the streams is no terminal.
func Ask(ctx context.Context, in, out any, question string) (yes, there bool, err error) {
	f, ok := Terminal(in)
	w, shown := Terminal(out)
	if !ok || !shown {
		return false, false, nil
	}
	fmt.Fprint(w, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() { // ends with the process: a terminal's read cannot be broken off
		line, _ := bufio.NewReader(f).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false, true, ctx.Err()
	case line := <-answer:
		return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))), true, nil
	}
}
