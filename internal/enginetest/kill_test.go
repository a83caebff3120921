package enginetest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/runtime"
)

// hostTask is the environment variable that makes this binary a host.
const hostTask = "ENGINETEST_HOST"

// task is what such a host does: one life of a run, in time as it is.
type task struct {
	Case, Main, Store string
}

// TestAHostThatIsKilled kills processes in the midst of some cases, and lets the runs go on in this one.
func TestAHostThatIsKilled(t *testing.T) {
	t.Parallel()
	const kills = 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	cases := slices.DeleteFunc(enginetest.Cases(t), hurried)
	for n := range kills {
		c := cases[chance.IntN(len(cases))]
		after := chance.Float64()
		t.Run(fmt.Sprintf("%d %s", n, c.Name), func(t *testing.T) {
			t.Parallel()
			main, dir := c.Main(t), t.TempDir()
			loaded, err := enginetest.Compile(main)
			require.NoError(t, err)
			all := deaths(t, c, loaded)
			facts := int(after * float64(all[len(all)-1]))
			killed(t, task{Case: c.Name, Main: main, Store: dir}, facts)
			store := open(t, dir)
			h := host{c: c, cast: c.Cast(), loaded: loaded, id: "r", clock: time.Now()}
			o, _ := h.onDisk(t, store, -1)
			o.Broken = fmt.Sprintf("(the host was killed when it had kept %d facts, seed %d)", facts, seed)
			c.Check(t, o)
		})
	}
}

// hurried says that the order of what happens in a case hangs on a moment of rest, which a busy machine may not have.
func hurried(c *enginetest.Case) bool {
	return slices.ContainsFunc(c.Script.Signals, func(s enginetest.Signal) bool { return len(s.Behind) > 0 })
}

// killed starts a host and kills it when it says that it has kept so many facts, or waits for its end where it does not keep as many.
func killed(t *testing.T, do task, facts int) {
	t.Helper()
	text, err := json.Marshal(do)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), hostTask+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := -1; n < facts && lines.Scan(); n++ { // the first line says that it is there
	}
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()
	require.NoError(t, ctx.Err(), "the host did not end")
}

// beHost is the host: it tells of each fact that it keeps, and gives the exit code.
func beHost(text string) int {
	var do task
	err := json.Unmarshal([]byte(text), &do)
	if err == nil {
		err = do.live()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "a host of a test:", err)
		return 1
	}
	return 0
}

func (do *task) live() error {
	cases, err := enginetest.Read()
	if err != nil {
		return err
	}
	loaded, err := enginetest.Compile(do.Main)
	if err != nil {
		return err
	}
	store, err := badger.Open(do.Store, badger.Options{Durability: badger.Process})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Create(badger.Record{ID: "r", Pattern: "main.star", Started: time.Now().UTC(), Status: badger.Running}); err != nil {
		return err
	}
	lease, err := store.Lease("r")
	if err != nil {
		return err
	}
	fmt.Println("here")
	for _, c := range cases {
		if c.Name == do.Case {
			h := host{c: c, cast: c.Cast(), loaded: loaded, id: "r"}
			h.cast.Again(nil)
			h.run(context.Background(), &telling{lease, h.cast}, nil)
		}
	}
	return nil
}

// telling is a keeper that says so for each fact that it is given.
type telling struct {
	engine.Keeper
	cast *enginetest.Cast
}

func (k *telling) Append(run string, facts ...runtime.Fact) error {
	err := k.Keeper.Append(run, facts...)
	if err == nil {
		k.cast.Kept(run, facts...)
	}
	k.tell(facts)
	return err
}

func (k *telling) Note(run string, facts ...runtime.Fact) {
	k.Keeper.Note(run, facts...)
	k.tell(facts)
}

func (k *telling) tell(facts []runtime.Fact) {
	for range facts {
		fmt.Println("kept")
	}
}
