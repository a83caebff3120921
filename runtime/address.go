package runtime

import (
	"cmp"
	"strconv"
	"strings"
)

// Path names a branch: "" is main, and branch i of the fork at address n of branch p is "p.n.i".
type Path string

// Child is the path of branch i of the fork at address n.
func (p Path) Child(n, i int) Path {
	b := make([]byte, 0, len(p)+12)
	if p != "" {
		b = append(append(b, p...), '.')
	}
	b = append(strconv.AppendInt(b, int64(n), 10), '.')
	return Path(strconv.AppendInt(b, int64(i), 10))
}

// Address names one effect or fork of a run: N counts the effects and forks of the branch together, from 1.
// It is the key of every record; it says where in the script's work something happened, never when.
type Address struct {
	Path Path
	N    int
}

// String gives "path/n", or "n" in main.
func (a Address) String() string {
	if a.Path == "" {
		return strconv.Itoa(a.N)
	}
	return string(a.Path) + "/" + strconv.Itoa(a.N)
}

// ParseAddress reads what String wrote.
func ParseAddress(s string) (Address, bool) {
	path, n := Path(""), s
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		path, n = Path(s[:i]), s[i+1:]
	}
	v, err := strconv.Atoi(n)
	return Address{path, v}, err == nil
}

// Compare orders addresses as people count: by each number of the path in turn, then by N.
func (a Address) Compare(b Address) int {
	p, q := string(a.Path), string(b.Path)
	for p != "" && q != "" {
		x, restP, _ := strings.Cut(p, ".")
		y, restQ, _ := strings.Cut(q, ".")
		if x != y {
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		}
		p, q = restP, restQ
	}
	return cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(a.N, b.N))
}
