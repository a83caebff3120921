package builtins

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Bounds of a regular expression: bytes of its text, instructions of its program, and groups.
const (
	maxPattern    = 4096
	maxPatternOps = 20_000
	maxGroups     = 100
)

// rx is a compiled regular expression. It is run by a machine of our own and not by package regexp, because a search for all
// matches can take time quadratic in the text: ours counts its steps, so that it can be charged and stopped.
type rx struct {
	source string
	prog   *syntax.Prog
	slots  int      // two for each group, and for the whole
	names  []string // of the groups; "" for those without, and for the whole
	prefix string   // with which each match starts
	first  bool     // a match can only be at the start of the text
}

func compileRegexp(pattern string) (*rx, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, want at most %d", len(pattern), maxPattern)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, badPattern(pattern, err)
	}
	r := &rx{source: pattern, slots: 2 * (tree.MaxCap() + 1), names: tree.CapNames()}
	if r.prog, err = syntax.Compile(tree.Simplify()); err != nil {
		return nil, badPattern(pattern, err)
	}
	if len(r.prog.Inst) > maxPatternOps || tree.MaxCap() > maxGroups {
		return nil, fmt.Errorf("the pattern %q is too complex, write smaller repeat counts and fewer groups", brief(pattern))
	}
	r.prefix, _ = r.prog.Prefix()
	r.first = r.prog.StartCond()&syntax.EmptyBeginText != 0
	return r, nil
}

func badPattern(pattern string, err error) error {
	e, ok := err.(*syntax.Error) //nolint:errorlint // regexp/syntax does not wrap
	if !ok {
		return err
	}
	hint := ""
	switch e.Code {
	case syntax.ErrInvalidPerlOp:
		hint = "; RE2 has no look-around"
	case syntax.ErrInvalidEscape:
		hint = `; write patterns as raw strings, r"\d+", without back-references`
	}
	return fmt.Errorf("the pattern %q is wrong: %s: %s%s", brief(pattern), e.Code, brief(e.Expr), hint)
}

// machine runs one expression over one text, all alternatives side by side. Its cost is counted in steps: one for each
// alternative at each character.
type machine struct {
	*rx
	text      string
	pay       func(steps int) error // called every so many steps; its error ends the search
	steps     int
	now, next queue
	caps      []int // of the alternative at hand
	found     []int
}

// machineSlice is how many steps are paid for at once.
const machineSlice = 1 << 14

func (r *rx) machine(text string, pay func(steps int) error) *machine {
	n := len(r.prog.Inst)
	m := &machine{rx: r, text: text, pay: pay, caps: make([]int, r.slots), found: make([]int, r.slots)}
	m.now.sparse, m.next.sparse = make([]uint32, n), make([]uint32, n)
	return m
}

// queue is the alternatives at one place of the text, in order of preference, each instruction once.
type queue struct {
	sparse []uint32 // by instruction: its place in dense, if that says so too
	dense  []alternative
	caps   []int // what the alternatives have captured, back to back
}

type alternative struct {
	pc   uint32
	caps int // where they start in the queue's caps; -1 for a step that takes no character
}

func (q *queue) has(pc uint32) bool {
	j := q.sparse[pc]
	return int(j) < len(q.dense) && q.dense[j].pc == pc
}

func (q *queue) clear() { q.dense, q.caps = q.dense[:0], q.caps[:0] }

// all finds the matches from left to right, none overlapping, an empty one never just behind another. visit gets the slots of each,
// start and end of the whole and of each group, -1 for groups that took no part; it must not keep them, and says whether to go on.
func (m *machine) all(visit func(slots []int) (bool, error)) error {
	for at, last := 0, -1; at <= len(m.text); {
		ok, err := m.search(at)
		if err != nil || !ok {
			return err
		}
		start, end := m.found[0], m.found[1]
		if end > at {
			at = end
		} else {
			_, width := utf8.DecodeRuneInString(m.text[at:])
			at += max(width, 1)
		}
		if start == end && start == last {
			continue
		}
		last = end
		if more, err := visit(m.found); err != nil || !more {
			return err
		}
	}
	return nil
}

// search finds the leftmost match that starts at or behind from, and leaves it in found.
func (m *machine) search(from int) (bool, error) {
	m.now.clear()
	matched := false
	at, before := from, rune(-1)
	if from > 0 {
		before, _ = utf8.DecodeLastRuneInString(m.text[:from])
	}
	for {
		if len(m.now.dense) == 0 {
			if matched || m.first && at > 0 {
				break
			}
			if skip := m.skip(at); skip < 0 {
				break
			} else if skip > 0 {
				at += skip
				before, _ = utf8.DecodeLastRuneInString(m.text[:at])
			}
		}
		char, width := decode(m.text, at)
		if !matched {
			for i := range m.caps {
				m.caps[i] = -1
			}
			m.caps[0] = at
			m.add(&m.now, uint32(m.prog.Start), at, syntax.EmptyOpContext(before, char))
		}
		after, _ := decode(m.text, at+width)
		if m.step(at, char, width, syntax.EmptyOpContext(char, after)) {
			matched = true
		}
		if m.steps >= machineSlice {
			if err := m.settle(); err != nil {
				return false, err
			}
		}
		m.now, m.next = m.next, m.now
		m.next.clear()
		if width == 0 {
			break
		}
		at, before = at+width, char
	}
	return matched, m.settle()
}

// skip gives how far from at the next match can start at the earliest, or -1.
func (m *machine) skip(at int) int {
	if m.prefix == "" {
		return 0
	}
	i := strings.Index(m.text[at:], m.prefix)
	m.steps += max(i, 0) / 64
	return i
}

func (m *machine) settle() error {
	n := m.steps
	m.steps = 0
	return m.pay(n)
}

// decode gives the character at a place and its width: -1 and 0 at the end.
func decode(text string, at int) (rune, int) {
	if at >= len(text) {
		return -1, 0
	}
	return utf8.DecodeRuneInString(text[at:])
}

// step moves every alternative over char, and says whether one of them has matched. What is less preferred than
// a match is dropped.
func (m *machine) step(at int, char rune, width int, cond syntax.EmptyOp) bool {
	for _, alt := range m.now.dense {
		if alt.caps < 0 {
			continue
		}
		caps := m.now.caps[alt.caps : alt.caps+m.slots]
		inst := &m.prog.Inst[alt.pc]
		if inst.Op == syntax.InstMatch {
			copy(m.found, caps)
			m.found[1] = at
			return true
		}
		if width > 0 && inst.MatchRune(char) {
			copy(m.caps, caps)
			m.add(&m.next, inst.Out, at+width, cond)
		}
	}
	return false
}

// add puts what follows pc without taking a character into a queue.
func (m *machine) add(q *queue, pc uint32, at int, cond syntax.EmptyOp) {
	if q.has(pc) {
		return
	}
	m.steps++
	q.sparse[pc] = uint32(len(q.dense))
	q.dense = append(q.dense, alternative{pc, -1})
	inst := &m.prog.Inst[pc]
	switch inst.Op {
	case syntax.InstFail:
	case syntax.InstAlt, syntax.InstAltMatch:
		m.add(q, inst.Out, at, cond)
		m.add(q, inst.Arg, at, cond)
	case syntax.InstEmptyWidth:
		if syntax.EmptyOp(inst.Arg)&^cond == 0 {
			m.add(q, inst.Out, at, cond)
		}
	case syntax.InstNop:
		m.add(q, inst.Out, at, cond)
	case syntax.InstCapture:
		old := m.caps[inst.Arg]
		m.caps[inst.Arg] = at
		m.add(q, inst.Out, at, cond)
		m.caps[inst.Arg] = old
	case syntax.InstMatch, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		q.dense[q.sparse[pc]].caps = len(q.caps)
		q.caps = append(q.caps, m.caps...)
		m.steps += m.slots / 8
	}
}
