package screen

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// frameTime is the time between two pictures: twelve a second.
const frameTime = 80 * time.Millisecond

// Live draws a run as a tree that is redrawn in place, on a terminal.
type Live struct {
	w     io.Writer
	style style
	size  func() (width, height int)
	now   func() time.Time

	mu     sync.Mutex
	tree   *tree
	log    *narrator
	said   bytes.Buffer // lines to print above the tree
	drawn  []int        // cells of each line on the screen
	frame  int
	paused int

	stop chan struct{}
	gone chan struct{}
}

// newLive starts drawing; Close ends it.
func newLive(w io.Writer, s style, size func() (int, int), now func() time.Time) *Live {
	l := &Live{w: w, style: s, size: size, now: now, tree: newTree(), stop: make(chan struct{}), gone: make(chan struct{})}
	l.log = &narrator{style: s, w: &l.said, lasting: true}
	_, _ = io.WriteString(w, "\x1b[?25l")
	go l.run()
	return l
}

func (l *Live) run() {
	defer close(l.gone)
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			if l.paused == 0 {
				l.draw()
			}
			l.mu.Unlock()
		}
	}
}

// say prints lines above the tree.
func (l *Live) say(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

// Event takes note of an event; the next picture shows it.
func (l *Live) Event(e *runtime.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tree.add(e)
	l.log.tell(e)
}

// Aside takes the tree off the screen while talk runs.
func (l *Live) Aside(talk func()) {
	l.mu.Lock()
	l.paused++
	l.erase(true)
	l.mu.Unlock()
	talk()
	l.mu.Lock()
	l.paused--
	if l.paused == 0 {
		_, _ = io.WriteString(l.w, "\x1b[?25l")
	}
	l.mu.Unlock()
}

// Close stops drawing and leaves the screen without the tree, the cursor visible.
func (l *Live) Close() {
	close(l.stop)
	<-l.gone
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase(true)
}

// Calm shows the cursor again, in case the process is about to be killed.
func (l *Live) Calm() { _, _ = io.WriteString(l.w, "\x1b[?25h") }

// draw replaces the picture on the screen in one write.
func (l *Live) draw() {
	width, height := l.size()
	p := painter{style: l.style, now: l.now(), width: width, height: height - 2, frame: l.frame}
	l.frame++
	lines := p.paint(l.tree)
	var b bytes.Buffer
	l.up(&b, width)
	if l.said.Len() > 0 {
		b.WriteString("\x1b[J")
		b.Write(l.said.Bytes())
		l.said.Reset()
	}
	l.drawn = l.drawn[:0]
	for _, s := range lines {
		b.WriteString(s)
		b.WriteString("\x1b[K\n")
		l.drawn = append(l.drawn, visible(s))
	}
	b.WriteString("\x1b[J")
	_, _ = l.w.Write(b.Bytes())
}

// erase removes the picture and prints what was said meanwhile.
func (l *Live) erase(cursor bool) {
	width, _ := l.size()
	var b bytes.Buffer
	l.up(&b, width)
	b.WriteString("\x1b[J")
	b.Write(l.said.Bytes())
	l.said.Reset()
	l.drawn = l.drawn[:0]
	if cursor {
		b.WriteString("\x1b[?25h")
	}
	_, _ = l.w.Write(b.Bytes())
}

// up moves the cursor to where the picture starts. In a window that has become narrower its lines have wrapped.
func (l *Live) up(b *bytes.Buffer, width int) {
	rows := 0
	for _, n := range l.drawn {
		rows += 1 + max(n-1, 0)/max(width, 1)
	}
	b.WriteByte('\r')
	if rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
}

// visible is the number of cells of a painted line.
func visible(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == 0x1b:
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n += cells(r)
		}
	}
	return n
}
