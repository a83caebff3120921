package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

func params() []runtime.Param {
	return []runtime.Param{
		{Name: "text", Default: starlark.String("")},
		{Name: "number", Default: starlark.MakeInt(0)},
		{Name: "any", Required: true},
	}
}

func TestInputsAreJSONWhereTheyParseAndNoStringIsWanted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f.txt"), []byte("from a file\n"), 0o600))
	r := Reader{Dir: dir, In: strings.NewReader("from stdin")}
	for pair, want := range map[string]string{
		"any=1":                        `{"any":1}`,
		"any=1e3":                      `{"any":1000.0}`,
		"any=123456789012345678901234": `{"any":123456789012345678901234}`,
		`any={"b":1,"a":[true,null]}`:  `{"any":{"a":[true,null],"b":1}}`,
		"any=plain words":              `{"any":"plain words"}`,
		"any=":                         `{"any":""}`,
		"any=a=b":                      `{"any":"a=b"}`,
		"any=nan":                      `{"any":"nan"}`,
		"text=1":                       `{"text":"1"}`,
		`text="quoted"`:                `{"text":"\"quoted\""}`,
		"text=<&>":                     `{"text":"<&>"}`,
		"number=7":                     `{"number":7}`,
		"any=@f.txt":                   `{"any":"from a file\n"}`,
		"text=@@f.txt":                 `{"text":"@f.txt"}`,
		"unknown=1":                    `{"unknown":1}`,
		"any=@-":                       `{"any":"from stdin"}`,
	} {
		got, err := r.Inputs(t.Context(), params(), "", []string{pair})
		require.NoError(t, err, pair)
		require.Equal(t, want, got.String(), pair)
	}
}

func TestDefaultsOfTheManifestGiveWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.json"), []byte(`{"number": 2, "any": 2}`), 0o600))
	r := Reader{Dir: dir, Defaults: runtime.Payload(`{"text":"manifest","number":1,"of_another_pattern":1}`)}
	got, err := r.Inputs(t.Context(), params(), "in.json", []string{"any=3"})
	require.NoError(t, err)
	require.Equal(t, `{"any":3,"number":2,"text":"manifest"}`, got.String())
}

func TestWrongInputsAreUsageErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "latin1"), []byte("caf\xe9"), 0o600))
	r := Reader{Dir: dir}
	for pair, want := range map[string]string{
		"novalue":     "has no name and value",
		"=x":          "has no name and value",
		"any=@absent": "cannot read absent: no such file",
		"any=@latin1": "latin1 is not UTF-8",
		"any=\xe9":    "is not UTF-8",
	} {
		_, err := r.Inputs(t.Context(), params(), "", []string{pair})
		require.ErrorAs(t, err, new(*cli.UsageError), pair)
		require.ErrorContains(t, err, want, pair)
	}
}

func TestLimitsAndBudgets(t *testing.T) {
	t.Parallel()
	var b Bounds
	require.NoError(t, b.Override([]string{"steps=10k", "bytes=64MiB", "calls=5", "tokens=2M", "cost=$0.25", "time=90s"}))
	require.Equal(t, runtime.Limits{Steps: 10_000, Bytes: 64 << 20}, b.Limits)
	require.Equal(t, runtime.BudgetLimits{Tokens: 2_000_000, CostMicroUSD: 250_000, Calls: 5, Seconds: 90}, b.Budget)
	for _, bad := range []string{"steps", "steps=0", "calls=-1", "calls=1.5", "cost=0", "cost=nan", "time=1", "stepz=1", "=1"} {
		require.ErrorAs(t, new(Bounds).Override([]string{bad}), new(*cli.UsageError), bad)
	}
}

func TestSignalsAreJSON(t *testing.T) {
	t.Parallel()
	var got []string
	send := func(name string, p runtime.Payload) { got = append(got, name+" "+p.String()) }
	require.NoError(t, Signals([]string{`a={"x": 1}`, "b=true", "a=2"}, send))
	require.Equal(t, []string{`a {"x":1}`, "b true", "a 2"}, got)
	require.ErrorAs(t, Signals([]string{"a=text"}, send), new(*cli.UsageError))
}

func TestAnInputWhoseDefaultIsAFileIsItsContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "team"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "team", "note.md"), []byte("as it stands\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.md"), []byte("another\n"), 0o600))
	params := []runtime.Param{{Name: "doc", Default: builtins.FileInput{Path: "note.md"}}}
	r := Reader{Dir: dir, Package: dir, Main: "team/main.star"}
	for want, pairs := range map[string][]string{
		`{"doc":"as it stands\n"}`: nil,
		`{"doc":"another\n"}`:      {"doc=@other.md"},
		`{"doc":"7"}`:              {"doc=7"},
	} {
		got, err := r.Inputs(t.Context(), params, "", pairs)
		require.NoError(t, err, want)
		require.Equal(t, want, got.String())
	}
}

func TestAFileThatIsADefaultStaysInItsPackage(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside.md")
	require.NoError(t, os.WriteFile(outside, []byte("not yours"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.md")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bytes"), []byte{0xff}, 0o600))
	for name, want := range map[string]string{
		"link.md":    "the input \"doc\" is the file link.md, which cannot be read",
		"missing.md": "no such file",
		"folder":     "no regular file",
		"bytes":      "not UTF-8",
	} {
		params := []runtime.Param{{Name: "doc", Default: builtins.FileInput{Path: name}}}
		_, err := Reader{Dir: dir, Package: dir, Main: "main.star"}.Inputs(t.Context(), params, "", nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "not yours")
	}
}
