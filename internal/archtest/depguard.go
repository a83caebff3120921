package archtest

import (
	"fmt"
	"strings"
)

// Depguard writes the plan as rules for the depguard linter, so that an editor underlines a broken import while it is typed: for each
// room and each door, who may come in. Lines start with indent. Tests are left to Check, which knows their exceptions.
func Depguard(indent string) string {
	w := rules{indent: indent}
	for _, r := range house {
		if r.Floor < top {
			w.guard(r.Path, module+"/"+r.Path, append(visitors(r), r.Path))
		}
	}
	for _, d := range doors {
		w.guard(d.Module, d.Module, d.Rooms)
	}
	w.pure()
	return w.String()
}

// visitors lists the rooms that may import the room r outside of tests.
func visitors(r Room) []string {
	var paths []string
	for _, from := range house {
		if v := (visit{room: from}); from.Path != r.Path && v.ownRule(r.Path) == "" {
			paths = append(paths, from.Path)
		}
	}
	return paths
}

type rules struct {
	strings.Builder
	indent string
}

// guard lets only the rooms named in import pkg.
func (w *rules) guard(name, pkg string, in []string) {
	files := []string{"$all", "!$test"}
	for _, r := range in {
		files = append(files, "!${base-path}/"+r+"/**")
	}
	w.rule(name, files, fmt.Sprintf("{pkg: %s, desc: %q}", pkg, "who may import it stands in internal/archtest/house.go"))
}

// pure keeps the host out of the pure rooms.
func (w *rules) pure() {
	files := []string{"!$test"}
	for _, r := range house {
		if r.Pure {
			files = append(files, "${base-path}/"+r.Path+"/**")
		}
	}
	var deny []string
	for _, p := range impure {
		deny = append(deny, fmt.Sprintf("{pkg: %s, desc: this room is pure}", p))
	}
	w.rule("pure", files, deny...)
}

func (w *rules) rule(name string, files []string, deny ...string) {
	fmt.Fprintf(w, "%s%s:\n", w.indent, strings.NewReplacer("/", "-", ".", "-").Replace(name))
	fmt.Fprintf(w, "%s  list-mode: lax\n", w.indent)
	fmt.Fprintf(w, "%s  files: [%q", w.indent, files[0])
	for _, f := range files[1:] {
		fmt.Fprintf(w, ", %q", f)
	}
	fmt.Fprintf(w, "]\n%s  deny: [%s]\n", w.indent, strings.Join(deny, ", "))
}
