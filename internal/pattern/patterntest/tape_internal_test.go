package patterntest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever can be read as a cassette is written so that it reads the same, and is written the same again.
func FuzzCassettes(f *testing.F) {
	f.Add(`{"cassette":1,"tests":{}}`)
	f.Add(`{"cassette":1,"tests":{"test_a":{"agents":[{"name":"a","idempotent":true}],"calls":[{"at":"1.0/2","attempt":2,"request":{"agent":"a"},"answer":{"value":1.5}}]}}}`)
	f.Add(`{"cassette":1,"tests":{"test_<b>":{"calls":[{"at":"1","run":"2","request":{},"error":{"code":"timeout","message":"\u2028","details":{"n":1}}},{"at":"2","request":[],"cancelled":true}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readTapes("x.json", []byte(text))
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "x.json "), "%v", err)
			return
		}
		once, err := writeTapes(all)
		require.NoError(t, err)
		again, err := readTapes("x.json", once)
		require.NoError(t, err)
		twice, err := writeTapes(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		for _, tape := range all {
			play("x.json", tape)
		}
	})
}

func TestDiffsAreShort(t *testing.T) {
	t.Parallel()
	require.Empty(t, Diff("a\nb", "a\nb"))
	require.Equal(t, "  a\n- b\n+ c\n  d", Diff("a\nb\nd", "a\nc\nd"))
	long := strings.Repeat("x\n", 5000)
	require.Equal(t, "  ...\n  x\n  x\n- y\n  ", Diff(long+"y\n", long))
	d := Diff(strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000))
	require.Equal(t, diffLines+1, strings.Count(d, "\n")+1)
	require.Contains(t, d, "lines more")
	require.Equal(t, "- "+strings.Repeat("z", diffWidth)+" ...\n+ ", Diff(strings.Repeat("z", 1000), ""))
}
