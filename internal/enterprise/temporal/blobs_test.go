package temporal_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

func TestABlobIsKeptOnceAndCheckedWhenItIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blobs := temporal.Dir(filepath.Join(dir, "blobs"))
	digest, err := blobs.Put([]byte("a text"))
	require.NoError(t, err)
	again, err := blobs.Put([]byte("a text"))
	require.NoError(t, err)
	require.Equal(t, digest, again)
	got, err := blobs.Get(digest)
	require.NoError(t, err)
	require.Equal(t, "a text", string(got))

	path := filepath.Join(dir, "blobs", digest[:2], digest)
	require.NoError(t, os.WriteFile(path, []byte("b text"), 0o600))
	_, err = blobs.Get(digest)
	require.ErrorContains(t, err, path+" is damaged; restore it from a backup")
	require.NoError(t, os.WriteFile(path, []byte("cut"), 0o600))
	_, err = blobs.Put([]byte("a text"))
	require.NoError(t, err, "what is torn is written again")
	got, err = blobs.Get(digest)
	require.NoError(t, err)
	require.Equal(t, "a text", string(got))
}

func TestABlobThatIsNotThere(t *testing.T) {
	t.Parallel()
	blobs := temporal.Dir(t.TempDir())
	for _, digest := range []string{"", "../../etc/passwd", strings.Repeat("0", 64), strings.Repeat("z", 64)} {
		_, err := blobs.Get(digest)
		require.ErrorIs(t, err, fs.ErrNotExist, "%q", digest)
	}
}

func TestLargeValuesTravelByReference(t *testing.T) {
	t.Parallel()
	c := temporal.Converter(temporal.Dir(t.TempDir()))
	small, large := strings.Repeat("s", 1000), strings.Repeat("l", runtime.InlineBytes+1)
	payloads, err := c.ToPayloads(small, large, large)
	require.NoError(t, err)
	require.Contains(t, string(payloads.GetPayloads()[0].GetData()), small)
	require.Len(t, payloads.GetPayloads()[1].GetData(), 64, "the digest of what is elsewhere")
	require.True(t, bytes.Equal(payloads.GetPayloads()[1].GetData(), payloads.GetPayloads()[2].GetData()), "it is there once")
	var gotSmall, gotLarge, gotAgain string
	require.NoError(t, c.FromPayloads(payloads, &gotSmall, &gotLarge, &gotAgain))
	require.Equal(t, small, gotSmall)
	require.Equal(t, large, gotLarge)
	require.Equal(t, large, gotAgain)
}

func TestALargeValueWhoseBlobIsGoneIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	payloads, err := temporal.Converter(temporal.Dir(dir)).ToPayloads(strings.Repeat("l", runtime.InlineBytes+1))
	require.NoError(t, err)
	var got string
	err = temporal.Converter(temporal.Dir(t.TempDir())).FromPayloads(payloads, &got)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
