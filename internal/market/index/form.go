package index

import (
	"strings"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Forms of names and hashes, by hand: an index has some hundred thousand of them, and expressions would take a second.

// plain says whether s has from least to most bytes, each a lower-case letter, a digit or one of others.
func plain(s string, least, most int, others string) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// word is plain that does not begin with one of others.
func word(s string, most int, others string) bool {
	return plain(s, 1, most, others) && !strings.Contains(others, s[:1])
}

// ValidName says whether a package can be called that in an index: owner/name in lower case.
func ValidName(name string) bool {
	owner, last, _ := strings.Cut(name, "/")
	return word(owner, 39, "-") && word(last, 100, "-._") && !device(owner) && !device(last) && !strings.HasSuffix(last, ".") && !strings.HasSuffix(last, ".git")
}

// device says whether Windows takes a name of a file for something else.
func device(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	switch name {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(name) == 4 && (name[:3] == "com" || name[:3] == "lpt") && name[3] >= '0' && name[3] <= '9'
}

// ValidVersion says whether v can be a version in an index: 1.2.0 or 1.2.0-rc.1, without v.
func ValidVersion(v string) bool { return manifest.ValidVersion("v" + v) }

func user(s string) bool { return plain(s, 1, 39, "-"+upper) && s[0] != '-' }

func keyword(s string) bool { return word(s, 40, "-") }

// ownerOn reads github.com/owner.
func ownerOn(s string) bool {
	host, owner, _ := strings.Cut(s, "/")
	return user(owner) && manifest.ValidSource(host+"/"+owner+"/x")
}

func commitID(s string) bool { return (len(s) == 40 || len(s) == 64) && hexed(s) }

func treeHash(s string) bool {
	sum, ok := strings.CutPrefix(s, "h1:")
	return ok && len(sum) == 44 && sum[43] == '=' && plain(sum[:43], 43, 43, "+/"+upper)
}

func fileHash(s string) bool {
	sum, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(sum) == 64 && hexed(sum)
}

func hexed(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

func platform(s string) bool {
	os, arch, _ := strings.Cut(s, "/")
	return plain(os, 1, 20, "") && plain(arch, 1, 20, "")
}

// address reads a URL of who signed something.
func address(s string) bool {
	return strings.HasPrefix(s, "https://") && len(s) <= maxText && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// License says whether s has the shape of an SPDX expression: names joined by AND, OR and WITH, and parentheses.
func License(s string) bool {
	if len(s) > maxText {
		return false
	}
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))
	depth, name := 0, true // name: the next word is one, or opens parentheses
	for _, w := range words {
		joins := w == "AND" || w == "OR" || w == "WITH"
		switch {
		case name && w == "(":
			depth++
		case !name && w == ")" && depth > 0:
			depth--
		case name && !joins && plain(strings.TrimSuffix(w, "+"), 1, 80, ".-"+upper):
			name = false
		case !name && joins:
			name = true
		default:
			return false
		}
	}
	return !name && depth == 0
}
