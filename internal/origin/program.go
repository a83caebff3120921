package origin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ProgramName is what the program that answers is called.
const ProgramName = "parallax-verify"

const (
	answerTime = 2 * time.Minute // the first answer fetches what the public service is trusted by
	maxAnswer  = 1 << 20
)

// Program is parallax-verify, wherever it is.
type Program struct {
	Named   string // its path, when somebody says so; "" looks beside Self and then in PATH
	Self    string // path of the running parallax
	Version string // of the running parallax, which must be its own too
	Env     []string
}

// Find gives its path, or says what to do.
func (p Program) Find() (string, error) {
	if p.Named != "" {
		if info, err := os.Stat(p.Named); err != nil || info.IsDir() {
			return "", fmt.Errorf("PARALLAX_VERIFY names %s, which is not there", p.Named)
		}
		return p.Named, nil
	}
	name := ProgramName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if p.Self != "" {
		beside := filepath.Join(filepath.Dir(p.Self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("there is no %s beside parallax or in PATH", ProgramName)
}

// Ready says why it cannot be asked, nil when it can.
func (p Program) Ready() error {
	_, err := p.Find()
	return err
}

// Ask asks it. That it does not answer is an Answer too; the error is ctx's.
func (p Program) Ask(ctx context.Context, q Question) (Answer, error) {
	path, err := p.Find()
	if err != nil {
		return Unable("%v", err), nil
	}
	text, err := json.Marshal(q)
	if err != nil {
		return Answer{}, err
	}
	out, err := p.run(ctx, path, text)
	if ctx.Err() != nil {
		return Answer{}, ctx.Err()
	}
	if err != nil {
		return Unable("%s: %v", path, err), nil
	}
	return p.understood(path, out), nil
}

// understood reads what it wrote.
func (p Program) understood(path string, out []byte) Answer {
	var a Answer
	if err := json.Unmarshal(out, &a); err != nil {
		return Unable("%s answers %.80q, which is no answer of %s", path, out, ProgramName)
	}
	if a.Version != p.Version {
		return Unable("%s is of version %s, and this parallax is %s: install both together", path, a.Version, p.Version)
	}
	switch {
	case a.Verdict == Verified && a.Identity != "", a.Verdict == None, a.Verdict == Refused, a.Verdict == Unknown:
		return a
	}
	return Unable("%s gives the verdict %q, which is not known here", path, a.Verdict)
}

func (p Program) run(ctx context.Context, path string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = p.Env
	cmd.Stdin = bytes.NewReader(question)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &short{w: &stderr, left: maxAnswer}
	var stdout bytes.Buffer
	cmd.Stdout = &short{w: &stdout, left: maxAnswer}
	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("it did not answer within %v", answerTime)
	}
	if said := strings.TrimSpace(stderr.String()); err != nil && said != "" {
		err = fmt.Errorf("%w: %.300s", err, said)
	}
	return stdout.Bytes(), err
}

// short writes no more than left bytes, and takes the rest for written.
type short struct {
	w    io.Writer
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	_, err := s.w.Write(p[:n])
	return len(p), err
}
