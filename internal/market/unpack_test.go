package market

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// item is an entry of an archive that a test makes.
type item struct {
	name string
	text string
	mode fs.FileMode
}

func archiveOf(t *testing.T, items ...item) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		mode := it.mode
		if strings.HasSuffix(it.name, "/") {
			mode |= fs.ModeDir
			h.Method = zip.Store
		}
		h.SetMode(mode | 0o644)
		w, err := z.CreateHeader(h)
		require.NoError(t, err)
		if !strings.HasSuffix(it.name, "/") {
			_, err = w.Write([]byte(it.text))
			require.NoError(t, err)
		}
	}
	require.NoError(t, z.Close())
	file := filepath.Join(t.TempDir(), "a.zip")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	return file
}

// files lists what is below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, walk(dir, func(name string, info fs.FileInfo) error {
		names = append(names, name+" "+info.Mode().String())
		return nil
	}))
	return names
}

func TestAnArchiveIsUnpacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, unpacks(archiveOf(t, item{"a/", "", 0}, item{"a/b/c.star", "x", 0}, item{"run", "y", 0o111}), dir, patternBounds))
	require.Equal(t, []string{"a/b/c.star -rw-r--r--", "run -rwxr-xr-x"}, files(t, dir))

	dir = t.TempDir()
	sum, err := unpack(archiveOf(t, item{"b.star", strings.Repeat("b", 3*chunk+1), 0}, item{"a/c.star", "", 0}, item{"a/a.star", "x", 0}), dir, patternBounds)
	require.NoError(t, err)
	again, err := hashTree(dir)
	require.NoError(t, err)
	require.Equal(t, again, sum, "it is the hash over what was written")

	dir = t.TempDir()
	require.NoError(t, unpacks(archiveOf(t, item{"x-123/", "", 0}, item{"x-123/parallax.toml", "x", 0}, item{"x-123/src/a.star", "y", 0}), dir, patternBounds))
	require.Equal(t, []string{"parallax.toml -rw-r--r--", "src/a.star -rw-r--r--"}, files(t, dir))
}

func TestAnArchiveThatCouldDoHarmIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	ok := item{"ok.star", "x", 0}
	tests := map[string]struct {
		items []item
		why   string
	}{
		"outside":                 {[]item{ok, {"../x", "", 0}}, "leads out of it"},
		"outside, inside":         {[]item{ok, {"a/../../x", "", 0}}, "leads out of it"},
		"absolute":                {[]item{ok, {"/etc/x", "", 0}}, "is absolute"},
		"drive":                   {[]item{ok, {"C:x", "", 0}}, `one of \ : *`},
		"stream":                  {[]item{ok, {"a.star:hidden", "", 0}}, `one of \ : *`},
		"backslash":               {[]item{ok, {`..\x`, "", 0}}, `one of \ : *`},
		"empty part":              {[]item{ok, {"a//b", "", 0}}, "an empty part"},
		"dot":                     {[]item{ok, {"./b", "", 0}}, "an empty part"},
		"device name":             {[]item{ok, {"lib/NUL.star", "", 0}}, "a device on some systems"},
		"device name, lower case": {[]item{ok, {"com1", "", 0}}, "a device on some systems"},
		"device name, raised":     {[]item{ok, {"COM².x", "", 0}}, "a device on some systems"},
		"dot at the end":          {[]item{ok, {"a./b", "", 0}}, "what some systems leave out"},
		"blank at the end":        {[]item{ok, {"a.star ", "", 0}}, "what some systems leave out"},
		"short name":              {[]item{ok, {"PROGRA~1/x", "", 0}}, "take for another"},
		"repository":              {[]item{ok, {".GIT/config", "", 0}}, "a repository's"},
		"newline":                 {[]item{ok, {"a\nb", "", 0}}, "cannot be seen"},
		"direction":               {[]item{ok, {"a\u202eb", "", 0}}, "cannot be seen"},
		"not UTF-8":               {[]item{ok, {"a\xff", "", 0}}, "not UTF-8"},
		"long part":               {[]item{ok, {strings.Repeat("a", 256), "", 0}}, "too long"},
		"deep":                    {[]item{ok, {strings.Repeat("a/", 40) + "b", "", 0}}, "too long"},
		"link":                    {[]item{ok, {"l", "/etc/passwd", fs.ModeSymlink}}, "is a link"},
		"pipe":                    {[]item{ok, {"p", "", fs.ModeNamedPipe}}, "a device or the like"},
		"device":                  {[]item{ok, {"d", "", fs.ModeDevice | fs.ModeCharDevice}}, "a device or the like"},
		"socket":                  {[]item{ok, {"s", "", fs.ModeSocket}}, "a device or the like"},
		"setuid":                  {[]item{ok, {"s", "", fs.ModeSetuid | 0o111}}, "as somebody else"},
		"twice":                   {[]item{ok, {"ok.star", "y", 0}}, `"ok.star" twice`},
		"case":                    {[]item{ok, {"OK.star", "y", 0}}, "one name on some systems"},
		"case of a folder":        {[]item{ok, {"a/x", "", 0}, {"A/y", "", 0}}, "one name on some systems"},
		"composition":             {[]item{ok, {"\u00e9", "", 0}, {"e\u0301", "", 0}}, "one name on some systems"},
		"file and folder":         {[]item{ok, {"ok.star/x", "", 0}}, "twice"},
		"folder and file":         {[]item{ok, {"d/x", "", 0}, {"d", "", 0}}, "twice"},
		"bomb":                    {[]item{ok, {"b", strings.Repeat("0", 8<<20), 0}}, "packed more than"},
		"too large":               {[]item{ok, {"b", strings.Repeat("0", 65<<20), 0}}, "holds more than 64 MiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := unpack(archiveOf(t, tt.items...), dir, patternBounds)
			require.ErrorContains(t, err, tt.why)
			require.True(t, is(err, Unsafe), "%v", err)
			require.Empty(t, files(t, dir))
		})
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	list := make([]item, 11)
	for i := range list {
		list[i].name = string(rune('a' + i))
	}
	_, err := unpack(archiveOf(t, list...), t.TempDir(), Bounds{Files: 10, Bytes: 1 << 20, Ratio: 10})
	require.ErrorContains(t, err, "more than 10 entries")
}

func TestATableThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	list := make([]item, 40_000)
	for i := range list {
		list[i].name = strings.Repeat("x", 200) + strconv.Itoa(i) + "/"
	}
	_, err := unpack(archiveOf(t, list...), t.TempDir(), Bounds{Files: 1 << 30, Bytes: 1 << 30, Ratio: 10})
	require.ErrorContains(t, err, "the archive cannot be read: its table has more than 8 MiB")
}

// An archive's table may say something else than what follows.
func TestAnEntryThatLiesAboutItselfIsRefused(t *testing.T) {
	t.Parallel()
	text := []byte("0123456789")
	lie := func(size uint64, sum uint32) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateRaw(&zip.FileHeader{Name: "x", Method: zip.Store, CompressedSize64: 10, UncompressedSize64: size, CRC32: sum})
		require.NoError(t, err)
		_, err = w.Write(text)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		file := filepath.Join(t.TempDir(), "a.zip")
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
		return file
	}
	for name, file := range map[string]string{
		"smaller than it says": lie(20, crc32.ChecksumIEEE(text)), "larger than it says": lie(5, crc32.ChecksumIEEE(text)), "another sum": lie(10, 1),
	} {
		_, err := unpack(file, t.TempDir(), patternBounds)
		require.True(t, is(err, Unsafe), "%s: %v", name, err)
	}
	broken := filepath.Join(t.TempDir(), "b.zip")
	require.NoError(t, os.WriteFile(broken, []byte("PK\x03\x04 no archive"), 0o644))
	require.True(t, is(unpacks(broken, t.TempDir(), patternBounds), Unsafe))
}

// Whatever the bytes are, nothing is written outside, and what is written is plain files.
func FuzzUnpack(f *testing.F) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"a/b", "../c", "d\\e", "f/"} {
		_, err := z.Create(name)
		require.NoError(f, err)
	}
	require.NoError(f, z.Close())
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		file, inside := filepath.Join(dir, "a.zip"), filepath.Join(dir, "inside")
		require.NoError(t, os.WriteFile(file, data, 0o644))
		require.NoError(t, os.Mkdir(inside, 0o755))
		_ = unpacks(file, inside, Bounds{Files: 100, Bytes: 1 << 20, Ratio: 100})
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		_ = files(t, inside)
	})
}

func unpacks(archive, dir string, b Bounds) error {
	_, err := unpack(archive, dir, b)
	return err
}
