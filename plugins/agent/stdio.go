package agent

import (
	"bufio"
	"io"
	"os"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// stdio keeps stdout clean. The host reads the handshake line from stdout, so whatever else the agent, its libraries or
// its children print there must go to stderr: before the handshake, during it and afterwards.
type stdio struct {
	stdout *os.File // the real one, for the handshake only
	stderr *os.File
}

// earlyStdout is the real stdout of a process that a host started as an agent, and nil in any other process. It is taken
// before main runs, so that a print ahead of Serve does no harm either.
var earlyStdout = claimStdout(os.Getenv(agentpb.CookieKey) == agentpb.CookieValue)

// takeStdio gives go-plugin a stdout from which only the handshake line gets through.
func takeStdio() *stdio {
	s := &stdio{stdout: earlyStdout, stderr: os.Stderr}
	if s.stdout == nil {
		s.stdout = os.Stdout
	}
	r, w, err := os.Pipe()
	if err != nil {
		os.Stdout = s.stdout
		return s
	}
	os.Stdout = w
	go s.pass(r)
	return s
}

// pass copies the handshake line to the real stdout and everything else to stderr. It ends with the process.
func (s *stdio) pass(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if strings.HasPrefix(line, "1|1|") && strings.Contains(line, "|grpc") {
			_, _ = io.WriteString(s.stdout, line)
			_ = s.stdout.Close() // nothing else may follow
			_, _ = io.Copy(s.stderr, lines)
			return
		}
		_, _ = io.WriteString(s.stderr, line)
		if err != nil {
			return
		}
	}
}

// restore undoes what go-plugin did to os.Stdout and os.Stderr: it sends them through the connection, where the last
// words of a crash would be lost.
func (s *stdio) restore() {
	os.Stdout, os.Stderr = s.stderr, s.stderr
}

// lastMoment is how long the sessions may take to close when the host is gone. A host that lives kills a little later.
const lastMoment = time.Second

// watchStdin ends the process when the host closes stdin or dies, after end has closed the sessions. Only a host that keeps stdin open
// asks for it: under /dev/null an agent would be gone at once.
func watchStdin(end func()) {
	if os.Getenv(agentpb.StdinWatch) != "1" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		time.AfterFunc(lastMoment, exitWithChildren)
		end()
		exitWithChildren()
	}()
}
