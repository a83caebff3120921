package market

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
)

// Query is what somebody looks for in the indexes.
type Query struct {
	Words      []string // all of them have to be found somewhere
	Kind       manifest.Kind
	Capability string
	Verified   bool
	Sort       Order
}

// Order is how packages that were found are sorted. What is equal goes by name.
type Order string

// The orders.
const (
	ByMatch     Order = "match" // how well the words fit, and then how many people use it
	ByStars     Order = "stars"
	ByDownloads Order = "downloads"
	ByName      Order = "name"
)

// Orders lists them.
func Orders() []Order { return []Order{ByMatch, ByStars, ByDownloads, ByName} }

// What a word is worth where it is found. The best place of each word counts, and the words of a query are added up.
const (
	wordIsName     = 100 // or owner/name
	wordBegins     = 60  // a part of the name begins with it
	wordIsKeyword  = 50  // or a capability
	wordIsOwner    = 30
	wordInName     = 30 // somewhere
	wordIsSaid     = 20 // in the description
	wordBeginsSaid = 10 // a word of the description, or a keyword, begins with it
)

// What else moves a package up or down.
const (
	forVerified   = 8
	forFeatured   = 8
	forDeprecated = -40
)

// Search gives the packages that fit, the best first. What was removed, and what has no version that one may begin with, is not found.
func (c *Catalogue) Search(q Query) []Found {
	type scored struct {
		Found
		score int
	}
	var all []scored
	for _, p := range c.Packages() {
		v, ok := p.Newest()
		if !ok || !q.takes(p, v) {
			continue
		}
		if score, ok := q.score(p, v); ok {
			all = append(all, scored{p, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		switch q.Sort {
		case ByStars:
			return cmp.Compare(b.Stats.Stars, a.Stats.Stars)
		case ByDownloads:
			return cmp.Compare(b.Stats.Downloads, a.Stats.Downloads)
		case ByName:
			return 0
		case ByMatch:
		}
		return cmp.Compare(b.score, a.score)
	})
	found := make([]Found, len(all))
	for i := range all {
		found[i] = all[i].Found
	}
	return found
}

// Newest is the newest version that one may begin with.
func (p Found) Newest() (index.Version, bool) {
	left := p.Entry
	left.Versions = slices.DeleteFunc(slices.Clone(left.Versions), func(v index.Version) bool {
		_, removed := p.Doc.Removal(p.Name, v.Version)
		return removed
	})
	return left.Latest()
}

// takes says whether a package passes what is not about words.
func (q Query) takes(p Found, v index.Version) bool {
	return (q.Kind == "" || q.Kind == p.Kind) && (q.Capability == "" || slices.Contains(p.Capabilities, q.Capability)) && (!q.Verified || p.Vouched(v))
}

// score says how well a package fits.
func (q Query) score(p Found, v index.Version) (int, bool) {
	sum := 0
	said := words(p.Description)
	for _, w := range q.Words {
		n := worth(strings.ToLower(w), p, said)
		if n == 0 {
			return 0, false
		}
		sum += n
	}
	if p.Vouched(v) {
		sum += forVerified
	}
	if p.Featured {
		sum += forFeatured
	}
	if _, ok := p.Doc.Deprecation(p.Name, v.Version); ok {
		sum += forDeprecated
	}
	// Twice as many stars are worth one, as are four times as many downloads.
	return sum + bits.Len64(uint64(p.Stats.Stars)) + bits.Len64(uint64(p.Stats.Downloads))/2, true //nolint:gosec // not below zero, as the index promises
}

// worth is what the best place of a word is worth, zero when it is nowhere.
func worth(w string, p Found, said []string) int {
	owner, name, _ := strings.Cut(p.Name, "/")
	begins := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, w) })
	}
	switch {
	case w == name || w == p.Name:
		return wordIsName
	case begins(words(name)):
		return wordBegins
	case slices.Contains(p.Keywords, w) || slices.Contains(p.Capabilities, w):
		return wordIsKeyword
	case w == owner, strings.Contains(name, w):
		return max(wordIsOwner, wordInName)
	case slices.Contains(said, w):
		return wordIsSaid
	case begins(said), begins(p.Keywords), begins(p.Capabilities):
		return wordBeginsSaid
	}
	return 0
}

// words are those of a text, in lower case.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
