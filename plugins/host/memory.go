package host

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// exitBook is what is kept of a process's exits.
type exitBook struct {
	Exits     []time.Time `json:"exits"` // oldest first
	NotBefore time.Time   `json:"not_before"`
	Last      string      `json:"last"`
}

// book gives what other hosts should know. The caller holds p.mu.
func (p *process) book() []byte {
	exits := p.exits[max(0, len(p.exits)-breakerExits):]
	text, err := json.Marshal(exitBook{exits, p.notBefore, p.last})
	if err != nil {
		return nil
	}
	return text
}

// recall learns, once, what other hosts know. The caller holds p.mu.
func (p *process) recall() {
	if p.memory != nil && !p.recalled {
		p.recalled = true
		p.remember(p.memory.Recall(p.memoryKey()))
	}
}

// remember takes over what is kept. What lies ahead of the clock was written before somebody set it back.
func (p *process) remember(text []byte) {
	var b exitBook
	if len(text) == 0 || json.Unmarshal(text, &b) != nil {
		return
	}
	now := p.now()
	p.exits = p.exits[:0]
	for _, at := range b.Exits {
		if !at.After(now) {
			p.exits = append(p.exits, at)
		}
	}
	if b.NotBefore.Before(now.Add(max(breakerPause, longestPause) + time.Second)) {
		p.notBefore, p.last = b.NotBefore, b.Last
	}
}

// memoryKey tells programs apart. One that was edited since is another program: it may be mended.
func (p *process) memoryKey() string {
	var b strings.Builder
	b.WriteString(p.cmd.key())
	for _, word := range p.cmd.argv {
		if !filepath.IsAbs(word) {
			word = filepath.Join(p.cmd.dir, word)
		}
		if st, err := os.Stat(word); err == nil && st.Mode().IsRegular() {
			fmt.Fprintf(&b, " %d %d", st.Size(), st.ModTime().UnixNano())
		}
	}
	return b.String()
}
