package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A lock that can be read is written as it was read, and read again.
func FuzzLock(f *testing.F) {
	f.Add(string(lockOf().Text()))
	f.Add("lock = 1\n[packages.\"github.com/a/b\"]\nkind = \"pattern\"\n")
	f.Add("lock = 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLock("parallax.lock", []byte(text))
		if err != nil {
			return
		}
		again, err := ParseLock("parallax.lock", l.Text())
		require.NoError(t, err, "%s", l.Text())
		require.Equal(t, l, again)
	})
}

// A manifest to which a dependency was added has it, and taking it out again leaves what was there.
func FuzzSetDependency(f *testing.F) {
	f.Add("[dependencies]\na = \"github.com/a/a@v1.0.0\"\n[project]\nname = \"x\"\n")
	f.Add("[project]\nname = \"x\"")
	f.Add("dependencies.a = \"github.com/a/a@v1.0.0\"\n")
	f.Add("[dependencies]\nzz = 'github.com/a/a@v1.0.0' # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		const alias, value = "zz", "github.com/o/r@v1.2.3"
		edited, err := SetDependency("parallax.toml", []byte(text), alias, value)
		if err != nil {
			return
		}
		m, err := Parse("parallax.toml", edited)
		require.NoError(t, err)
		d, ok := m.Dependency(alias)
		require.True(t, ok)
		require.Equal(t, "v1.2.3", d.Version)
		out, err := SetDependency("parallax.toml", edited, alias, "")
		require.NoError(t, err)
		m, err = Parse("parallax.toml", out)
		require.NoError(t, err)
		_, ok = m.Dependency(alias)
		require.False(t, ok)
	})
}
