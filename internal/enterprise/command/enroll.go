package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/internal/manifest"
)

// roster is the agents of a task queue: a digest of what parallax.toml says of each. The first worker of the queue writes it beside the blobs.
type roster map[string]string

// enroll sees to it that all workers of a queue have the same agents.
func (s *service) enroll(blobs temporal.Dir, client *temporal.Client, m *manifest.Manifest) error {
	own, err := rosterOf(m)
	if err != nil {
		return err
	}
	path := filepath.Join(string(blobs), "queues", url.PathEscape(client.Namespace), url.PathEscape(s.queueName())+s.versionSuffix()+".json")
	text, err := json.MarshalIndent(own, "", "  ")
	if err != nil {
		return err
	}
	first, err := record(path, append(text, '\n'), s.newAgents)
	if err != nil {
		return fmt.Errorf("the agents of the queue: %w", err)
	}
	var theirs roster
	if err := json.Unmarshal(first, &theirs); err != nil {
		return cli.Usagef("remove the file when no worker of the queue runs", "%s does not say which agents the queue has: %v", path, err)
	}
	if differs := own.differs(theirs); len(differs) > 0 {
		return cli.Usagef(
			"serve another --queue, or version the workers with --deployment and --build; when all other workers of the queue were stopped, start this one with --new-agents",
			"the [agents] here are not those of the other workers of queue %s: %s", s.queueName(), strings.Join(differs, ", "))
	}
	return nil
}

// versionSuffix keeps the agents of each build apart.
func (s *service) versionSuffix() string {
	if s.build == "" {
		return ""
	}
	return "@" + url.PathEscape(s.deployment) + "@" + url.PathEscape(s.build)
}

// record writes a file unless it is there, or replaces it, and gives what it holds then.
func record(path string, text []byte, replace bool) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has its name by then, or is not wanted
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if replace {
		return text, os.Rename(f.Name(), path)
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	}
	return text, err
}

// declared is what has to be the same of an agent on all machines. Paths are seen from the project.
type declared struct {
	Use            string
	Command        []string
	Capabilities   []string
	Secrets        []string
	Env            []string
	Timeout        string
	MaxConcurrency int
	Dir            string
	Queue          string
	Config         json.RawMessage
}

func rosterOf(m *manifest.Manifest) (roster, error) {
	all := make(roster, len(m.Agents))
	for i := range m.Agents {
		a := &m.Agents[i]
		text, err := json.Marshal(declared{
			Use: a.Use, Command: slices.Clone(a.Command), Capabilities: a.Capabilities, Secrets: a.Secrets, Env: a.Env, Timeout: a.Timeout.String(),
			MaxConcurrency: a.MaxConcurrency, Dir: a.Dir, Queue: a.Queue, Config: json.RawMessage(a.Config),
		})
		if err != nil {
			return nil, fmt.Errorf("agent %q: %w", a.Name, err)
		}
		if root, err := json.Marshal(filepath.Dir(a.File)); err == nil {
			text = bytes.ReplaceAll(text, bytes.Trim(root, `"`), nil)
		}
		sum := sha256.Sum256(text)
		all[a.Name] = hex.EncodeToString(sum[:])
	}
	return all, nil
}

// differs says in words in what two rosters differ.
func (r roster) differs(theirs roster) []string {
	var words []string
	for name, digest := range r {
		switch other, ok := theirs[name]; {
		case !ok:
			words = append(words, fmt.Sprintf("%q is only here", name))
		case other != digest:
			words = append(words, fmt.Sprintf("%q is another", name))
		}
	}
	for name := range theirs {
		if _, ok := r[name]; !ok {
			words = append(words, fmt.Sprintf("%q is missing here", name))
		}
	}
	slices.Sort(words)
	const most = 5
	if len(words) > most {
		words = append(words[:most], fmt.Sprintf("%d more", len(words)-most))
	}
	return words
}
