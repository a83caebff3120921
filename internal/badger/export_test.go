package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

func allItems(d *disk) (items []item, err error) {
	err = d.read(func(txn *badger.Txn) error {
		items, err = collect(txn, nil)
		return err
	})
	return items, err
}

// rich keeps a run that has all there is.
func rich(t *testing.T, s *Store) {
	t.Helper()
	source, err := s.Put([]byte("def main(): pass"))
	require.NoError(t, err)
	require.NoError(t, s.Create(Record{ID: "r", Pattern: "p.star", Status: Running, Started: now(), Sources: map[string]string{"p.star": source}}))
	require.NoError(t, s.Create(Record{ID: "r/3", Parent: "r", Pattern: "q.star", Status: Done}))
	l, err := s.Lease("r")
	require.NoError(t, err)
	doc := `"` + document(100<<10) + `"`
	for i := range 50 {
		require.NoError(t, l.Append("r", done("", i+1, fmt.Sprintf(`[%d,%s]`, i, doc)), done("1.2", i+1, "null")))
	}
	require.NoError(t, l.Append("r", done("", 1, `"again"`)))
	require.NoError(t, l.Append("r/3", done("", 1, "["+string(bytes.Repeat([]byte("12345,"), 100_000))+"1]")))
	require.NoError(t, l.End(func(r *Record) { r.Status, r.Result, r.Inputs = Done, runtime.Payload(doc), runtime.Payload(`{"a":1}`) }))
	require.NoError(t, l.Release())
}

func TestARunTravelsAsOneFile(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	rich(t, from)
	var file bytes.Buffer
	require.NoError(t, from.Export(&file, "r"))
	id, err := to.Import(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Equal(t, "r", id)

	for _, run := range []string{"r", "r/3"} {
		want, err := from.Facts(run)
		require.NoError(t, err)
		got, err := to.Facts(run)
		require.NoError(t, err)
		require.Equal(t, want, got)
		theirs, err := from.Record(run)
		require.NoError(t, err)
		ours, err := to.Record(run)
		require.NoError(t, err)
		theirs.Fence, theirs.Facts, ours.Facts = 0, 0, 0
		require.Equal(t, theirs, ours)
	}
	r, err := to.Record("r")
	require.NoError(t, err)
	text, err := to.Get(r.Sources["p.star"])
	require.NoError(t, err)
	require.Equal(t, "def main(): pass", string(text))

	var back bytes.Buffer
	require.NoError(t, to.Export(&back, "r"))
	require.Equal(t, file.Bytes(), back.Bytes(), "equal runs make other files")
	_, err = to.Import(bytes.NewReader(file.Bytes()))
	require.NoError(t, err, "an equal run is refused")
	b, ok := to.backend.(*owner)
	require.True(t, ok)
	for _, f := range []runtime.Fact{done("7", 1, "1"), done("", 1, `"later"`)} {
		require.NoError(t, b.wait(&job{size: 1 << 10, do: func(t *tx) error { t.keep("r", [][]byte{f.Encode()}); return nil }}))
	}
	facts, err := to.Facts("r")
	require.NoError(t, err)
	require.Equal(t, done("", 1, `"later"`), facts[0])
	_, err = to.Import(bytes.NewReader(file.Bytes()))
	require.ErrorIs(t, err, ErrExists)
	require.ErrorIs(t, to.Export(&back, "nobody"), ErrNotFound)
}

// TestAFileThatSaysWhereTheRunHadBeenIsTakenWithoutThat is about files of earlier versions.
func TestAFileThatSaysWhereTheRunHadBeenIsTakenWithoutThat(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	record := func(result string) string {
		return `{"ID":"r","Name":"p.star","Pattern":"/home/ada/p.star","Root":"/home/ada","Manifest":"/home/ada/parallax.toml","Status":"done","Result":` + result + `}`
	}
	file := func(result string) *bytes.Reader {
		return bytes.NewReader(fileOf(t, nil, []runtime.Fact{done("", 1, "1")}, record(result)))
	}
	for range 2 {
		id, err := s.Import(file(`"MQ=="`))
		require.NoError(t, err)
		require.Equal(t, "r", id)
	}
	r, err := s.Record("r")
	require.NoError(t, err)
	require.Empty(t, r.Root)
	require.Empty(t, r.Manifest)
	require.Equal(t, "p.star", r.Pattern)
	require.Equal(t, runtime.Payload("1"), r.Result)
	_, err = s.Import(file(`"Mg=="`))
	require.ErrorIs(t, err, ErrExists)
}

func TestADamagedFileIsRefusedWhole(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	ended(t, from, "r", 0, done("", 1, "1"), done("", 2, `"`+document(70<<10)+`"`))
	var file bytes.Buffer
	require.NoError(t, from.Export(&file, "r"))
	whole := file.Bytes()
	for cut := 0; cut < len(whole); cut += 1 + cut/7 {
		_, err := to.Import(bytes.NewReader(whole[:cut]))
		require.Error(t, err, "cut at %d", cut)
		flipped := bytes.Clone(whole)
		flipped[cut] ^= 0x20
		_, err = to.Import(bytes.NewReader(flipped))
		require.Error(t, err, "flipped at %d", cut)
	}
	_, err := to.Import(bytes.NewReader(append(bytes.Clone(whole), 0)))
	require.Error(t, err)
	require.Empty(t, ids(t, to))
	b, ok := to.backend.(*owner)
	require.True(t, ok)
	items, err := allItems(b.disk)
	require.NoError(t, err)
	require.Empty(t, items)
	_, err = to.Import(bytes.NewReader(whole))
	require.NoError(t, err)
}

func TestAnImportThatDiedIsClearedUp(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	dead := &holder{PID: 1 << 30, Since: "1", Token: "x"}
	for _, r := range []*request{
		{Op: opImport, Run: "r", First: true},
		{Op: opImport, Run: "r", Items: []item{{keyOfSeq(factKey, "r", 1), []byte("x")}}},
	} {
		got := make(chan *answer, 1)
		b.send(dead, r, func(a *answer) { got <- a })
		require.NoError(t, (<-got).Fail.error())
	}
	require.Empty(t, ids(t, s))
	_, err := s.GC(Retention{})
	require.NoError(t, err)
	items, err := allItems(b.disk)
	require.NoError(t, err)
	require.Empty(t, items)
}

// fileOf makes a file of texts, facts of the run "r" and a record as it would be stored.
func fileOf(t *testing.T, texts []string, facts []runtime.Fact, record string) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := newFrameWriter(&file)
	require.NoError(t, err)
	for _, text := range texts {
		require.NoError(t, w.frame(frameBlob, []byte(text)))
	}
	for i := range facts {
		require.NoError(t, w.named(frameFacts, "r", appendToBatch(nil, facts[i].Encode())))
	}
	require.NoError(t, w.named(frameRecord, "r", []byte(record)))
	require.NoError(t, w.end())
	return file.Bytes()
}

func TestWhatNoStoreWroteIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	here, err := (&blobs{dir: t.TempDir()}).put([]byte("here"))
	require.NoError(t, err)
	missing := strings.Repeat("0", 64)
	lacks := base64.StdEncoding.EncodeToString(append([]byte{foldMark, 0}, append(make([]byte, 32), 0)...))
	fork := func(n string) runtime.Fact {
		request := runtime.Payload(`{"branches":` + n + `,"effect":"pmap"}`)
		return runtime.Fact{Addr: runtime.Address{N: 1}, Kind: runtime.Begun, Request: request, Print: runtime.PrintOf(request)}
	}
	given := func(seq, index int) runtime.Fact {
		return runtime.Fact{Addr: runtime.Address{N: 1}, Kind: runtime.Delivered, Seq: seq, Index: index}
	}
	forged := fork("5")
	forged.Print[0]++
	other := runtime.Fact{Addr: runtime.Address{N: 1}, Kind: runtime.Begun, Request: runtime.Payload(`{"effect":"pmap","Branches":4000000000000}`)}
	for name, file := range map[string][]byte{
		"a source that is no digest":      fileOf(t, nil, nil, `{"ID":"r","Sources":{"p.star":"x"}}`),
		"a source that is a path":         fileOf(t, nil, nil, `{"ID":"r","Sources":{"p.star":"../../../../etc/passwd"}}`),
		"a source that is not there":      fileOf(t, nil, nil, `{"ID":"r","Sources":{"p.star":"`+missing+`"}}`),
		"a source in capitals":            fileOf(t, []string{"here"}, nil, `{"ID":"r","Sources":{"p.star":"`+strings.ToUpper(here)+`"}}`),
		"inputs that are not there":       fileOf(t, nil, nil, `{"ID":"r","Inputs":"`+lacks+`"}`),
		"a result that is not there":      fileOf(t, nil, nil, `{"ID":"r","Result":"`+lacks+`"}`),
		"a record of another run":         fileOf(t, nil, nil, `{"ID":"s"}`),
		"a parent":                        fileOf(t, nil, nil, `{"ID":"r","Parent":"s"}`),
		"a record that cannot be read":    fileOf(t, nil, nil, `{`),
		"a delivery before the first":     fileOf(t, nil, []runtime.Fact{fork("5"), given(-1, 0)}, `{"ID":"r"}`),
		"a delivery far behind":           fileOf(t, nil, []runtime.Fact{fork("5"), given(1<<40, 0)}, `{"ID":"r"}`),
		"a branch that the fork has not":  fileOf(t, nil, []runtime.Fact{fork("5"), given(0, 5)}, `{"ID":"r"}`),
		"a fork with a forged print":      fileOf(t, nil, []runtime.Fact{forged}, `{"ID":"r"}`),
		"a fork of too many branches":     fileOf(t, nil, []runtime.Fact{fork("4000000000000")}, `{"ID":"r"}`),
		"a fork of 4e12 branches":         fileOf(t, nil, []runtime.Fact{fork("4e12")}, `{"ID":"r"}`),
		"a fork that is written unlike":   fileOf(t, nil, []runtime.Fact{other}, `{"ID":"r"}`),
		"an address before the first one": fileOf(t, nil, []runtime.Fact{done("", -1, "1")}, `{"ID":"r"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			_, err := s.Import(bytes.NewReader(file))
			require.ErrorIs(t, err, ErrFile)
			items, err := allItems(s.backend.(*owner).disk) //nolint:forcetypeassert // there is one process
			require.NoError(t, err)
			require.Empty(t, items)
			_, err = s.GC(Retention{})
			require.NoError(t, err)
		})
	}
	s := open(t, t.TempDir())
	_, err = s.Import(bytes.NewReader(fileOf(t, []string{"here"}, []runtime.Fact{fork("5"), given(0, 4)}, `{"ID":"r","Sources":{"p.star":"`+here+`"}}`)))
	require.NoError(t, err)
	require.Error(t, s.Create(Record{ID: "own", Sources: map[string]string{"p.star": "x"}}))
}

// many is a folded value that refers to a text n times.
func many(text string, n int) []byte {
	sum := sha256.Sum256([]byte(text))
	out := []byte{foldMark, 0}
	for range n {
		out = append(append(out, sum[:]...), 0)
	}
	return out
}

func TestAShortFileCannotUnfoldToALongValue(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	text := document(1 << 20)
	half := runtime.Payload(many(text, maxUnfolded>>21+1))
	long := runtime.Payload(many(text, 1000))
	inputs := func(p []byte) string { return base64.StdEncoding.EncodeToString(p) }
	fact := func(f runtime.Fact) []byte {
		f.Addr, f.Kind, f.Attempt = runtime.Address{N: 1}, runtime.Done, 1
		return fileOf(t, []string{text}, []runtime.Fact{f}, `{"ID":"r"}`)
	}
	for name, file := range map[string][]byte{
		"an answer":            fact(runtime.Fact{Outcome: long}),
		"a question":           fact(runtime.Fact{Request: long}),
		"both":                 fact(runtime.Fact{Request: half, Outcome: half}),
		"inputs":               fileOf(t, []string{text}, nil, `{"ID":"r","Inputs":"`+inputs(long)+`"}`),
		"inputs and a result":  fileOf(t, []string{text}, nil, `{"ID":"r","Inputs":"`+inputs(half)+`","Result":"`+inputs(half)+`"}`),
		"a record as a whole":  fileOf(t, []string{text}, nil, string(long)),
		"an address too long":  fileOf(t, nil, []runtime.Fact{done(strings.Repeat("1.", maxPath), 1, "1")}, `{"ID":"r"}`),
		"a fact that is folds": fileOf(t, []string{text}, nil, string(many(text, 1<<15))),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			_, err := s.Import(bytes.NewReader(file))
			goruntime.ReadMemStats(&after)
			require.ErrorIs(t, err, ErrFile)
			require.ErrorContains(t, err, "long")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
		})
	}
	s := open(t, t.TempDir())
	_, err := s.Import(bytes.NewReader(fact(runtime.Fact{Outcome: runtime.Payload(many(text, 3))})))
	require.NoError(t, err)
	facts, err := s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, runtime.Payload(strings.Repeat(text, 3)), facts[0].Outcome)
}

func TestANameThatNobodyCanGiveIsNotImported(t *testing.T) {
	t.Parallel()
	file := func(runs ...string) []byte {
		var file bytes.Buffer
		w, err := newFrameWriter(&file)
		require.NoError(t, err)
		for _, run := range runs {
			parent := ""
			if rootOf(run) != run {
				parent = rootOf(run)
			}
			record, err := json.Marshal(Record{ID: run, Parent: parent})
			require.NoError(t, err)
			require.NoError(t, w.named(frameRecord, run, record))
		}
		require.NoError(t, w.end())
		return file.Bytes()
	}
	s := open(t, t.TempDir())
	for _, run := range []string{"a\u009b2J", "a\u202e", "a\x7f", "a\x1b[2J", "..", ".", "-rf", "a b", "a\xff", ""} {
		require.Error(t, CheckID(run), "%q", run)
		_, err := s.Import(bytes.NewReader(file(run)))
		require.ErrorIs(t, err, ErrFile, "%q", run)
		require.ErrorContains(t, err, "cannot be the name of a run", "%q", run)
		_, err = s.Import(bytes.NewReader(file("r/"+run, "r")))
		require.ErrorIs(t, err, ErrFile, "%q", run)
		require.ErrorContains(t, err, "cannot be the name of a child run", "%q", run)
		require.NotContains(t, err.Error(), "\u202e")
	}
	require.Error(t, CheckID(strings.Repeat("a", maxName+1)))
	require.Empty(t, ids(t, s))
	for _, run := range []string{"r", "20060102-150405-abcdef", "A_1.b-c", strings.Repeat("a", maxName)} {
		require.NoError(t, CheckID(run))
		_, err := s.Import(bytes.NewReader(file(run+"/4", run+"/4.2/1", run)))
		require.NoError(t, err, run)
	}
}

func TestAnImportHasNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	b, ok := s.backend.(*owner)
	require.True(t, ok)
	stale := done("9", 9, `"stale"`)
	part := func(by *holder, token string) {
		for _, r := range []*request{
			{Op: opImport, Run: "r", First: true},
			{Op: opImport, Run: "r", Items: []item{{keyOfSeq(factKey, "r", 1<<40), appendToBatch(nil, stale.Encode())}}},
		} {
			r.Msg.Token = token
			got := make(chan *answer, 1)
			b.send(by, r, func(a *answer) { got <- a })
			require.NoError(t, (<-got).Fail.error())
		}
	}
	part(&holder{PID: 1 << 30, Since: "1", Token: "x"}, "killed")
	file := fileOf(t, nil, []runtime.Fact{done("", 1, "1")}, `{"ID":"r"}`)
	_, err := s.Import(bytes.NewReader(file))
	require.NoError(t, err)
	facts, err := s.Facts("r")
	require.NoError(t, err)
	require.Equal(t, []runtime.Fact{done("", 1, "1")}, facts)
	require.NoError(t, s.Remove("r"))

	part(s.self, "given up")
	_, err = s.Import(bytes.NewReader(file))
	require.ErrorIs(t, err, ErrExists, "it is being imported")
	_, err = s.ask(&request{Op: opImport, Run: "r", Msg: Message{Token: "given up"}})
	require.NoError(t, err)
	items, err := allItems(b.disk)
	require.NoError(t, err)
	require.Empty(t, items)
}

// FuzzFile reads anything as an exported run: it must not crash, nor take more memory than the file has bytes.
func FuzzFile(f *testing.F) {
	var file bytes.Buffer
	w, err := newFrameWriter(&file)
	require.NoError(f, err)
	fact := done("1.2", 3, `"x"`)
	value := fact.Encode()
	require.NoError(f, w.frame(frameBlob, []byte("text")))
	require.NoError(f, w.named(frameFacts, "r", appendToBatch(nil, value)))
	require.NoError(f, w.named(frameRecord, "r", []byte(`{"ID":"r"}`)))
	require.NoError(f, w.end())
	f.Add(file.Bytes())
	f.Add([]byte(firstLine + "F\xff\xff\xff\xff\x03"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		b := &blobs{dir: dir}
		in := &inspection{blobs: b, facts: make(map[string][]runtime.Fact)}
		_ = readFrames(bytes.NewReader(text), func(fr frame) error {
			if fr.kind == frameFacts {
				return eachInBatch(fr.value, func(v []byte) error { return in.fact(fr.run, v) })
			}
			_, err := decodeRecord(fr.value, b, true)
			return err
		})
		if folded(text) {
			_ = eachPart(text, func([]byte, string) error { return nil })
		}
		_, _ = b.distinct([]item{{Value: text}}, map[string]bool{})
	})
}
