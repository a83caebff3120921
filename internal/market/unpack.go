package market

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"
)

// Bounds are how large the files of an archive may be.
type Bounds struct {
	Files int   // entries
	Bytes int64 // unpacked, in all
	Ratio int64 // unpacked to packed, of an entry of more than ratioFrom bytes
}

// What packages may hold.
var (
	patternBounds = Bounds{Files: 2_000, Bytes: 64 << 20, Ratio: 200}
	agentBounds   = Bounds{Files: 20_000, Bytes: 1 << 30, Ratio: 200}
)

const (
	ratioFrom    = 1 << 20
	maxPart      = 255 // bytes of one part of a name
	maxName      = 1024
	maxNameParts = 32
)

// unpack writes the files of a zip archive below dir, which is empty, makes sure that they are on the disk, and gives the hash over them, as hashTree has it.
// Everything is judged by the archive's table before the first byte is written, and no file may be larger than that says. One folder around
// all files is left out.
func unpack(archive, dir string, b Bounds) (sum string, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := table(f)
	if err != nil {
		return "", wrongf(Unsafe, "", "the archive cannot be read: %w", err)
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(bufio.NewReaderSize(r, chunk/8)) })
	files, err := judged(z.File, b)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	sums, err := extractAll(root, files)
	if err != nil {
		return "", err
	}
	return treeSum(sums), nil
}

// maxTable is how many bytes the table of an archive may have: more than that of the most files that there may be, with names of a usual length.
const maxTable = 8 << 20

// table reads the table of an archive, which the library keeps in memory, whatever it says of its own length.
func table(f *os.File) (*zip.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &opening{ReaderAt: f, left: maxTable}
	z, err := zip.NewReader(r, info.Size())
	r.left = -1
	return z, err
}

// opening reads no more than is left, while that is not negative.
type opening struct {
	io.ReaderAt

	left int64
}

func (o *opening) ReadAt(b []byte, at int64) (int, error) {
	if o.left >= 0 {
		if o.left -= int64(len(b)); o.left < 0 {
			o.left = 0
			return 0, fmt.Errorf("its table has more than %d MiB", maxTable>>20)
		}
	}
	return o.ReaderAt.ReadAt(b, at)
}

// atOnce is how many files are unpacked at the same time: each waits for the disk, and the disk takes them together.
const atOnce = 8

// extractAll writes files and gives the hash of each, by name.
func extractAll(root *os.Root, files []entry) (map[string][]byte, error) {
	var (
		mu     sync.Mutex
		sums   = make(map[string][]byte, len(files))
		group  errgroup.Group
		failed atomic.Bool
	)
	group.SetLimit(atOnce)
	for _, f := range files {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			sum, err := extract(root, f)
			if err != nil {
				failed.Store(true)
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			sums[f.name] = sum
			return nil
		})
	}
	return sums, group.Wait()
}

// treeSum is the hash over files, as Go modules have it: see dirhash.Hash1.
func treeSum(sums map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(h, "%x  %s\n", sums[name], name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// entry is a file of an archive and the name that it gets.
type entry struct {
	*zip.File
	name string
}

// judged gives the files of an archive, or says why it is refused.
func judged(list []*zip.File, b Bounds) ([]entry, error) {
	if len(list) > b.Files {
		return nil, wrongf(Unsafe, "", "the archive has more than %d entries", b.Files)
	}
	prefix := wrapper(list)
	seen := make(map[string]seenAs)
	var files []entry
	total := int64(0)
	for _, f := range list {
		name := strings.TrimPrefix(f.Name, prefix)
		if name == "" {
			continue
		}
		isDir := strings.HasSuffix(name, "/")
		if isDir {
			name = strings.TrimSuffix(name, "/")
		}
		if why := badName(name); why != "" {
			return nil, wrongf(Unsafe, "", "the archive has the name %q, %s", f.Name, why)
		}
		if why := badKind(f, isDir); why != "" {
			return nil, wrongf(Unsafe, "", "%s in the archive is %s", f.Name, why)
		}
		if err := collide(seen, name, isDir); err != nil {
			return nil, err
		}
		if isDir {
			continue
		}
		total += int64(min(f.UncompressedSize64, 1<<40))
		if total > b.Bytes {
			return nil, wrongf(Unsafe, "", "the archive holds more than %d MiB", b.Bytes>>20)
		}
		if f.UncompressedSize64 > ratioFrom && f.UncompressedSize64/uint64(b.Ratio) > f.CompressedSize64 {
			return nil, wrongf(Unsafe, "", "%s in the archive is packed more than %d times", f.Name, b.Ratio)
		}
		files = append(files, entry{f, name})
	}
	return files, nil
}

// wrapper is the one folder in which all files of an archive are, with its slash, when the manifest is in there; else "".
func wrapper(list []*zip.File) string {
	if len(list) == 0 {
		return ""
	}
	first, _, ok := strings.Cut(list[0].Name, "/")
	prefix := first + "/"
	if !ok || badName(first) != "" {
		return ""
	}
	for _, f := range list {
		if !strings.HasPrefix(f.Name, prefix) {
			return ""
		}
	}
	return prefix
}

// badName says why a name is refused, or "".
func badName(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "which is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return "which has characters that cannot be seen"
	case len(name) > maxName || strings.Count(name, "/") >= maxNameParts:
		return "which is too long"
	case path.IsAbs(name):
		return "which is absolute"
	case strings.ContainsAny(name, `\:*?"<>|`):
		return `which has one of \ : * ? " < > |`
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "which leads out of it"
		case part == "" || part == ".":
			return "which has an empty part"
		case len(part) > maxPart:
			return "which is too long"
		case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || strings.HasPrefix(part, " "):
			return "which begins or ends with what some systems leave out"
		case reserved(part):
			return "which is a device on some systems"
		case strings.Contains(part, "~") && shortName(part):
			return "which some systems take for another"
		case strings.EqualFold(part, ".git"):
			return "which is a repository's"
		}
	}
	return ""
}

// reserved says whether Windows takes a name for a device.
func reserved(part string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(part), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok || strings.HasPrefix(base, "LPT") {
		if !ok {
			rest = base[3:]
		}
		return len(rest) == 1 && rest[0] >= '0' && rest[0] <= '9' || rest == "¹" || rest == "²" || rest == "³"
	}
	return false
}

// shortName says whether a name has the form that NTFS makes of long names, as PROGRA~1.
func shortName(part string) bool {
	base, _, _ := strings.Cut(part, ".")
	i := strings.LastIndexByte(base, '~')
	return i > 0 && i < len(base)-1 && strings.Trim(base[i+1:], "0123456789") == ""
}

// badKind says what an entry is if it is neither a file nor a folder, or "".
func badKind(f *zip.File, isDir bool) string {
	mode := f.Mode()
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a link; a package has none"
	case mode&(fs.ModeDevice|fs.ModeCharDevice|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeIrregular) != 0:
		return "a device or the like"
	case mode.IsDir() != isDir:
		return "a folder by one account and a file by another"
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return "set to run as somebody else"
	case f.Flags&1 != 0:
		return "encrypted"
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return "packed in a way that is not known"
	case isDir && f.UncompressedSize64 > 0:
		return "a folder with content"
	}
	return ""
}

// seenAs is a name that was seen, as it was written and what it was.
type seenAs struct {
	name  string
	dir   bool
	named bool // it had an entry of its own
}

// collide notes a name and the folders it is in. Names that are one name to some file system are refused.
func collide(seen map[string]seenAs, name string, isDir bool) error {
	for end := 0; ; {
		next := strings.IndexByte(name[end:], '/')
		part, last := name, next < 0
		if !last {
			part = name[:end+next]
			end += next + 1
		}
		key := folded(part)
		now := seenAs{name: part, dir: !last || isDir, named: last}
		old, ok := seen[key]
		switch {
		case ok && old.name != part:
			return wrongf(Unsafe, "", "the archive has both %q and %q, which are one name on some systems", old.name, part)
		case ok && (old.dir != now.dir || old.named && now.named):
			return wrongf(Unsafe, "", "the archive has %q twice", part)
		}
		now.named = now.named || old.named
		seen[key] = now
		if last {
			return nil
		}
	}
}

// folded is a name as a file system sees it that tells neither case nor composition apart.
func folded(name string) string {
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFKC.String(name))))
}

// extract writes one file, and hashes it.
func extract(root *os.Root, f entry) (sum []byte, err error) {
	name := filepath.FromSlash(f.name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	in, err := f.Open()
	if err != nil {
		return nil, wrongf(Unsafe, "", "%s in the archive cannot be read: %w", f.Name, err)
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if f.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	h := sha256.New()
	n, err := copyHashed(out, h, &io.LimitedReader{R: in, N: int64(f.UncompressedSize64) + 1})
	switch {
	case errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, wrongf(Unsafe, "", "%s in the archive is damaged: %w", f.Name, err)
	case err != nil:
		return nil, fmt.Errorf("unpack %s: %w", f.name, err)
	case uint64(n) != f.UncompressedSize64:
		return nil, wrongf(Unsafe, "", "%s in the archive is not of the size that it says", f.Name)
	}
	if err := out.Sync(); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", f.name, err)
	}
	return h.Sum(nil), out.Close()
}

// copyHashed writes and hashes what in gives, both at the same time where that pays.
func copyHashed(out *os.File, h hash.Hash, in *io.LimitedReader) (int64, error) {
	if in.N < chunk {
		return io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, h)}, in, make([]byte, in.N))
	}
	b := hashBehind(h)
	defer b.wait()
	return io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(&early{File: out}, b)}, in, make([]byte, chunk))
}

// early is a file that begins to go to the disk while it is written, so that the sync at its end is short.
type early struct {
	*os.File
	n, begun int64
}

const earlyBytes = 4 << 20

func (e *early) Write(p []byte) (int, error) {
	n, err := e.File.Write(p)
	if e.n += int64(n); e.n-e.begun >= earlyBytes {
		writeBack(e.File, e.begun, e.n-e.begun)
		e.begun = e.n
	}
	return n, err
}
