// Package vt is a small terminal: it interprets what programs write to one and tells what a person would see.
package vt

import (
	"strconv"
	"strings"
	"sync"
)

// Screen is a terminal of a fixed width. Lines that scroll off the top stay readable. It knows the escape sequences that our
// programs use; any other is an error that Unknown tells.
type Screen struct {
	mu      sync.Mutex
	width   int
	rows    [][]rune
	row     int
	col     int
	escape  string // an unfinished sequence
	hidden  bool   // the cursor
	unknown []string
}

// New makes an empty screen.
func New(width int) *Screen { return &Screen{width: width, rows: make([][]rune, 1)} }

// Write interprets output; it never fails.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range string(p) {
		s.put(r)
	}
	return len(p), nil
}

func (s *Screen) put(r rune) {
	switch {
	case s.escape != "":
		s.escape += string(r)
		if s.escape != "\x1b[" && r >= 0x40 && r <= 0x7e {
			s.run(s.escape)
			s.escape = ""
		}
	case r == 0x1b:
		s.escape = "\x1b"
	case r == '\r':
		s.col = 0
	case r == '\n':
		s.down()
		s.col = 0
	case r < ' ':
		s.unknown = append(s.unknown, strconv.QuoteRune(r))
	default:
		s.print(r)
	}
}

func (s *Screen) print(r rune) {
	if s.col == s.width {
		s.down()
		s.col = 0
	}
	line := s.rows[s.row]
	for len(line) <= s.col {
		line = append(line, ' ')
	}
	line[s.col] = r
	s.rows[s.row] = line
	s.col++
}

func (s *Screen) down() {
	s.row++
	if s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
}

func (s *Screen) run(seq string) {
	body, final := seq[2:len(seq)-1], seq[len(seq)-1]
	n, err := strconv.Atoi(body)
	if err != nil {
		n = 1
	}
	switch {
	case final == 'm':
	case final == 'A':
		s.row = max(0, s.row-n)
	case final == 'K' && body == "":
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	case final == 'J' && body == "":
		s.rows = s.rows[:s.row+1]
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	case body == "?25" && final == 'l':
		s.hidden = true
	case body == "?25" && final == 'h':
		s.hidden = false
	default:
		s.unknown = append(s.unknown, strconv.Quote(seq))
	}
}

// Resize makes the screen narrower or wider: lines that do not fit wrap, as terminals do it, and stay so.
func (s *Screen) Resize(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.width = width
	var rows [][]rune
	row := 0
	for i, line := range s.rows {
		for len(line) > width {
			rows = append(rows, line[:width:width])
			line = line[width:]
		}
		if i == s.row {
			row = len(rows)
		}
		rows = append(rows, line)
	}
	s.rows, s.row, s.col = rows, row, min(s.col, width)
}

// String is what stands on the screen, without blanks at line ends.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, line := range s.rows {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Hidden says that the cursor is not to be seen.
func (s *Screen) Hidden() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hidden
}

// Unknown lists what the screen did not understand.
func (s *Screen) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknown
}
