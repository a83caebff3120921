package moduledoc

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const source = `"""Ünits of work. And more.

More of it:

    x = double(2)
"""

load(":other.star", "helper")

Role = record(
    name = str,
    boss = optional(str),
)
LIMIT = 3
_Private = enum("a")

def double(n, *,
        times = 2,
        note = "ü (2)",
    ):
    """Doubles a number, as in 1.5. Or not.

    n is a number.

        double(2)
        double(3,
            times = 4)

    It has

        # a second example
        double(1)
    """
    def inner():
        """Not public."""
    return n * times

def bare(x): return x

def _hidden():
    """Private."""
`

func TestAModuleTellsWhatItHas(t *testing.T) {
	t.Parallel()
	m, err := Read("@std//units.star", []byte(source))
	require.NoError(t, err)
	require.Equal(t, "units", m.Name)
	require.Equal(t, "Ünits of work.", m.Summary())
	require.Equal(t, []string{"x = double(2)\n"}, Examples(m.Doc))
	require.Equal(t, []Type{{"Role", "Role = record(\n    name = str,\n    boss = optional(str),\n)"}}, m.Types)
	require.Len(t, m.Funcs, 2)

	f := m.Funcs[0]
	require.Equal(t, `double(n, *, times = 2, note = "ü (2)")`, f.Signature)
	require.Equal(t, "Doubles a number, as in 1.5.", f.Summary())
	require.Equal(t, "Doubles a number, as in 1.5. Or not.\n\nn is a number.\n\n    double(2)\n    double(3,\n        times = 4)\n\nIt has\n\n    # a second example\n    double(1)", f.Doc)
	require.Equal(t, []string{"double(2)\ndouble(3,\n    times = 4)\n", "# a second example\ndouble(1)\n"}, Examples(f.Doc))
	require.Equal(t, Func{Module: "units", Name: "bare", Signature: "bare(x)"}, m.Funcs[1])
}

func TestAnExampleRightBelowTheFirstLineIsOne(t *testing.T) {
	t.Parallel()
	m, err := Read("@std//x.star", []byte("def f():\n    \"\"\"Says it.\n\n        f()\n    \"\"\"\n"))
	require.NoError(t, err)
	require.Equal(t, "Says it.\n\n    f()", m.Funcs[0].Doc)
	require.Equal(t, []string{"f()\n"}, Examples(m.Funcs[0].Doc))
}

func TestPagesShowItAll(t *testing.T) {
	t.Parallel()
	m, err := Read("@std//units.star", []byte(source))
	require.NoError(t, err)
	require.Equal(t, `load("@std//units.star", "Role", "double", "bare")`, m.Load())
	require.Contains(t, m.Page(), "\n  More of it:\n\n      x = double(2)\n\nRole = record(\n")
	require.Contains(t, m.Page(), "\ndouble(n, *, times = 2, note = \"ü (2)\")\n\n  Doubles a number, as in 1.5. Or not.\n\n  n is a number.\n\n      double(2)\n")
	require.Contains(t, m.Markdown(), "# Module units\n\nÜnits of work. And more.\n")
	require.Contains(t, m.Markdown(), "\n## double\n\n    double(n, *, times = 2, note = \"ü (2)\")\n\nDoubles a number")
}

func TestALongLoadIsWrapped(t *testing.T) {
	t.Parallel()
	m := Module{Label: "@std//x.star"}
	for range 12 {
		m.Funcs = append(m.Funcs, Func{Name: "something_long"})
	}
	require.Equal(t, `load("@std//x.star", "something_long", "something_long", "something_long", "something_long",
    "something_long", "something_long", "something_long", "something_long", "something_long",
    "something_long", "something_long", "something_long")`, m.Load())
}

func TestTheStandardModulesAreSortedAndMustParse(t *testing.T) {
	t.Parallel()
	all, err := Std(fstest.MapFS{"b.star": {Data: []byte("\"B.\"\n")}, "a.star": {Data: []byte("x = 1\n")}, "c.txt": {}})
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "@std//a.star", all[0].Label)
	require.Empty(t, all[0].Doc)
	require.Equal(t, "B.", all[1].Doc)

	_, err = Std(fstest.MapFS{"a.star": {Data: []byte("def (\n")}})
	require.Error(t, err)
	all, err = Std(nil)
	require.NoError(t, err)
	require.Empty(t, all)
}
