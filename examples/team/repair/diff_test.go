package repair_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/examples/team/repair"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	was := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n"
	cases := map[string]struct{ was, is, want string }{
		"nothing": {was, was, ""},
		"one line": {"a\nb\nc\n", "a\nB\nc\n", `--- a/f.go
+++ b/f.go
@@ -1,3 +1,3 @@
 a
-b
+B
 c
`},
		"around it are three lines": {was, strings.Replace(was, "g\n", "", 1), `--- a/f.go
+++ b/f.go
@@ -4,7 +4,6 @@
 d
 e
 f
-g
 h
 i
 j
`},
		"two places far apart": {was, strings.NewReplacer("b\n", "b\nB\n", "m\n", "M\n").Replace(was), `--- a/f.go
+++ b/f.go
@@ -1,5 +1,6 @@
 a
 b
+B
 c
 d
 e
@@ -10,5 +11,5 @@
 j
 k
 l
-m
+M
 n
`},
		"two places close together": {was, strings.NewReplacer("d\n", "D\n", "h\n", "H\n").Replace(was), `--- a/f.go
+++ b/f.go
@@ -1,11 +1,11 @@
 a
 b
 c
-d
+D
 e
 f
 g
-h
+H
 i
 j
 k
`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, repair.Diff("f.go", c.was, c.is))
		})
	}
}
