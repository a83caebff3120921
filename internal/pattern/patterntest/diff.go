package patterntest

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/runtime/guard"
)

// Bounds on a diff.
const (
	diffCells   = 4 << 20 // of the table of common lines; beyond it everything is told as changed
	diffContext = 2       // lines around a change
	diffLines   = 80      // lines shown
	diffWidth   = 160     // bytes shown of a line
)

// Diff tells how two texts differ, line by line: "- " stands before lines of want, "+ " before lines of got, "  " before some that both have,
// and "..." where more of these are left out. It is "" for equal texts.
func Diff(want, got string) string {
	if want == got {
		return ""
	}
	edits := editsOf(strings.Split(want, "\n"), strings.Split(got, "\n"))
	near := make([]bool, len(edits))
	for i, e := range edits {
		if e.mark == ' ' {
			continue
		}
		for j := max(0, i-diffContext); j < min(len(edits), i+diffContext+1); j++ {
			near[j] = true
		}
	}
	var lines []string
	for i, e := range edits {
		switch {
		case near[i]:
			lines = append(lines, string(e.mark)+" "+clipLine(e.line))
		case i == 0 || near[i-1]:
			lines = append(lines, "  ...")
		}
	}
	if more := len(lines) - diffLines; more > 0 {
		lines = append(lines[:diffLines], fmt.Sprintf("  ... and %d lines more", more))
	}
	return strings.Join(lines, "\n")
}

func clipLine(s string) string {
	if len(s) <= diffWidth {
		return s
	}
	return strings.ToValidUTF8(s[:diffWidth], "") + " ..."
}

// edit is a line that both texts have (' '), or only one of them ('-', '+').
type edit struct {
	mark byte
	line string
}

// editsOf finds a longest common subsequence of lines, after what both begin and end with is set aside.
func editsOf(want, got []string) []edit {
	var head, tail []edit
	for len(want) > 0 && len(got) > 0 && want[0] == got[0] {
		head = append(head, edit{' ', want[0]})
		want, got = want[1:], got[1:]
	}
	for len(want) > 0 && len(got) > 0 && want[len(want)-1] == got[len(got)-1] {
		tail = append(tail, edit{' ', want[len(want)-1]})
		want, got = want[:len(want)-1], got[:len(got)-1]
	}
	slices.Reverse(tail)
	return append(append(head, middle(want, got)...), tail...)
}

func middle(want, got []string) []edit {
	var out []edit
	i, j := 0, 0
	if len(want)*len(got) <= diffCells {
		common := commonLines(want, got)
		for i < len(want) && j < len(got) {
			switch {
			case want[i] == got[j]:
				out = append(out, edit{' ', want[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				out = append(out, edit{'-', want[i]})
				i++
			default:
				out = append(out, edit{'+', got[j]})
				j++
			}
		}
	}
	for _, line := range want[i:] {
		out = append(out, edit{'-', line})
	}
	for _, line := range got[j:] {
		out = append(out, edit{'+', line})
	}
	return out
}

// commonLines gives for each pair of positions how many lines in order the rests of both texts have in common.
func commonLines(want, got []string) [][]int32 {
	table := make([][]int32, len(want)+1)
	for i := range table {
		table[i] = make([]int32, len(got)+1)
	}
	for i, line := range slices.Backward(want) {
		for j := len(got) - 1; j >= 0; j-- {
			if line == got[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

// lined writes a value as Starlark does, on several lines where it is long, so that two can be compared line by line. A text on several
// lines is written as these.
func lined(v starlark.Value) string {
	if n, err := guard.Measure(v); err != nil || n > linedBytes {
		return shown(v)
	}
	if s, ok := v.(starlark.String); ok && strings.Contains(string(s), "\n") {
		return string(s)
	}
	var b strings.Builder
	writeLined(&b, v, "")
	return b.String()
}

// linedBytes bounds the work of writing a value on several lines.
const linedBytes = 1 << 20

func writeLined(b *strings.Builder, v starlark.Value, indent string) {
	text := v.String()
	if s, ok := v.(starlark.String); ok && len(text)+len(indent) > shortText && strings.Contains(string(s), "\n") {
		b.WriteString("\"\"\"\n" + indent + "  " + strings.ReplaceAll(string(s), "\n", "\n"+indent+"  ") + "\"\"\"")
		return
	}
	open, closing, parts := partsOf(v)
	if len(text)+len(indent) <= shortText || len(parts) == 0 {
		b.WriteString(text)
		return
	}
	b.WriteString(open + "\n")
	for _, p := range parts {
		b.WriteString(indent + "  " + p.name)
		writeLined(b, p.value, indent+"  ")
		b.WriteString(",\n")
	}
	b.WriteString(indent + closing)
}

// part is an element of a value, with what stands before it.
type part struct {
	name  string
	value starlark.Value
}

func partsOf(v starlark.Value) (open, closing string, parts []part) {
	switch v := v.(type) {
	case *starlark.List:
		return "[", "]", elements(v)
	case starlark.Tuple:
		return "(", ")", elements(v)
	case *starlark.Dict:
		for _, kv := range v.Items() {
			parts = append(parts, part{kv[0].String() + ": ", kv[1]})
		}
		return "{", "}", parts
	case *starlarkstruct.Struct:
		name := "struct"
		if s, ok := v.Constructor().(starlark.String); ok {
			name = string(s)
		}
		for _, field := range v.AttrNames() {
			value, err := v.Attr(field)
			if err != nil {
				return "", "", nil
			}
			parts = append(parts, part{field + " = ", value})
		}
		return name + "(", ")", parts
	}
	return "", "", nil
}

func elements(list starlark.Indexable) []part {
	parts := make([]part, list.Len())
	for i := range parts {
		parts[i].value = list.Index(i)
	}
	return parts
}
