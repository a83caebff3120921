package repair

import (
	"fmt"
	"slices"
	"strings"
)

// around is how many lines of a diff are shown before and after a change.
const around = 3

// Diff shows what changed between two texts, line by line, as diff -u does; "" when nothing did.
func Diff(name, was, is string) string {
	a, b := lines(was), lines(is)
	edits := edits(a, b)
	var out strings.Builder
	for i := 0; i < len(edits); {
		if edits[i].kind == ' ' {
			i++
			continue
		}
		from, to := max(0, i-around), i
		for quiet := 0; to < len(edits) && quiet <= 2*around; to++ {
			if quiet++; edits[to].kind != ' ' {
				quiet = 0
			}
		}
		to = trimmed(edits, from, to)
		hunk(&out, edits[from:to])
		i = to
	}
	if out.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("--- a/%s\n+++ b/%s\n%s", name, name, out.String())
}

// edit is a line that is kept (' '), taken out ('-') or put in ('+'), and where it is in both texts.
type edit struct {
	kind byte
	text string
	a, b int
}

// edits turns a into b by the longest common subsequence.
func edits(a, b []string) []edit {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, left := range slices.Backward(a) {
		for j, right := range slices.Backward(b) {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if left == right {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var all []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, edit{' ', a[i], i, j})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			all = append(all, edit{'-', a[i], i, j})
			i++
		default:
			all = append(all, edit{'+', b[j], i, j})
			j++
		}
	}
	return all
}

// trimmed is the end of a hunk that keeps as many quiet lines after its last change as there are before its first.
func trimmed(edits []edit, from, to int) int {
	last := to - 1
	for last > from && edits[last].kind == ' ' {
		last--
	}
	return min(last+1+around, len(edits))
}

func hunk(out *strings.Builder, edits []edit) {
	var inA, inB int
	for _, e := range edits {
		if e.kind != '+' {
			inA++
		}
		if e.kind != '-' {
			inB++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", edits[0].a+1, inA, edits[0].b+1, inB)
	for _, e := range edits {
		fmt.Fprintf(out, "%c%s\n", e.kind, e.text)
	}
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
