package market

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// A want is that somebody needs a package at some version or later.
type want struct {
	Ref
	by string // the package that says so; "" is the project
}

// who names the one who wants something.
func who(by string) string {
	if by == "" {
		return "parallax.toml"
	}
	return by
}

// selectVersions picks, for each package that roots and what they need mention, the highest version that anybody asks for: minimal version selection. No
// newer version than somebody asked for is ever picked, so the result does not depend on what was published since. needs gives
// what one version of a package needs.
func selectVersions(roots []want, needs func(Ref) ([]want, error)) ([]Ref, error) {
	s := selection{needs: needs, chosen: make(map[string]want), known: make(map[Ref][]want)}
	if err := s.add(roots); err != nil {
		return nil, err
	}
	if err := s.acyclic(roots); err != nil {
		return nil, err
	}
	return s.reached(roots), nil
}

type selection struct {
	needs  func(Ref) ([]want, error)
	chosen map[string]want // by source: the highest asked for so far
	known  map[Ref][]want
}

// add visits what is wanted and, in turn, what that wants.
func (s *selection) add(queue []want) error {
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		old, ok := s.chosen[w.Source]
		if ok && major(old.Version) != major(w.Version) {
			return wrongf(Conflict, "ask the author of one of them for a version that agrees, or leave one of them out",
				"%s is wanted as %s by %s and as %s by %s, and these do not mix", w.Source, old.Version, who(old.by), w.Version, who(w.by))
		}
		if !ok || semver.Compare(old.Version, w.Version) < 0 {
			s.chosen[w.Source] = w
		}
		if _, ok := s.known[w.Ref]; ok {
			continue
		}
		needs, err := s.needs(w.Ref)
		if err != nil {
			return err
		}
		s.known[w.Ref] = needs
		queue = append(queue, needs...)
	}
	return nil
}

// major is what versions that mix have in common. All of v0 mixes with itself.
func major(v string) string { return semver.Major(v) }

// at is the version that was chosen of a package.
func (s *selection) at(source string) Ref { return s.chosen[source].Ref }

// acyclic refuses packages that need each other in a circle.
func (s *selection) acyclic(roots []want) error {
	state := make(map[string]int) // 1: on the way, 2: done
	var way []string
	var visit func(r Ref) error
	visit = func(r Ref) error {
		switch state[r.Source] {
		case 2:
			return nil
		case 1:
			circle := append(way[slices.Index(way, r.Source):], r.Source)
			return wrongf(Conflict, "one of them has to do without the other; ask its author", "packages need each other in a circle: %s", strings.Join(circle, " needs "))
		}
		state[r.Source] = 1
		way = append(way, r.Source)
		for _, w := range s.known[r] {
			if err := visit(s.at(w.Source)); err != nil {
				return err
			}
		}
		way = way[:len(way)-1]
		state[r.Source] = 2
		return nil
	}
	for _, w := range roots {
		if err := visit(s.at(w.Source)); err != nil {
			return err
		}
	}
	return nil
}

// reached lists the chosen versions that are needed in the end, by source. A package that only a version needed which was not chosen is not
// among them.
func (s *selection) reached(roots []want) []Ref {
	seen := make(map[string]bool)
	var refs []Ref
	var visit func(wants []want)
	visit = func(wants []want) {
		for _, w := range wants {
			if !seen[w.Source] {
				seen[w.Source] = true
				refs = append(refs, s.at(w.Source))
				visit(s.known[s.at(w.Source)])
			}
		}
	}
	visit(roots)
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.Source, b.Source) })
	return refs
}

// latest picks the newest of versions: a release if there is one. within, if not "", is the major version to stay in.
func latest(versions []string, within string) string {
	best := ""
	for _, v := range versions {
		switch {
		case within != "" && major(v) != within:
		case best == "", semver.Prerelease(best) != "" && semver.Prerelease(v) == "":
			best = v
		case semver.Prerelease(best) == "" && semver.Prerelease(v) != "":
		case semver.Compare(best, v) < 0:
			best = v
		}
	}
	return best
}

// versionsNear names some versions for a message.
func versionsNear(versions []string) string {
	list := slices.Clone(versions)
	semver.Sort(list)
	slices.Reverse(list)
	if len(list) > 5 {
		return fmt.Sprintf("%s and %d older", strings.Join(list[:5], ", "), len(list)-5)
	}
	return strings.Join(list, ", ")
}
