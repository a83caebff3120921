package main

import (
	"os"
	"time"

	"github.com/parallax-run/parallax/builtins"
	first "github.com/parallax-run/parallax/cmd/first/interpreter"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/plugins/host/interpreter"
	"github.com/parallax-run/parallax/runtime"
)

// childWord is the variable that makes the interpreters of a tested parallax other ones: "unguarded" leaves tier 1 of the sandbox out, and "escape"
// is one that was taken over. Only this test binary reads it, and only it can be such an interpreter.
const childWord = "PARALLAX_TEST_CHILD"

// tested is parallax as a script tests it.
func tested() cli.Program {
	word, ok := os.LookupEnv(childWord)
	if !ok {
		return cli.Program{}
	}
	return cli.Program{Interpreter: func(s *interpreter.Starter) {
		s.Command = append(s.Command, word)
		s.Memory, s.CPU, s.Step = 192<<20, 4*time.Second, 300*time.Millisecond
	}}
}

// beInterpreter is the other end.
func beInterpreter(words []string) int {
	level, ok := os.LookupEnv(interpreter.Asked)
	if !ok || len(words) != 1 {
		return 2
	}
	switch words[0] {
	case "unguarded":
		return first.Run(level, runtime.Environment{Builtins: builtins.All(), Unguarded: true})
	case "escape":
		return escape(level)
	}
	return 2
}
