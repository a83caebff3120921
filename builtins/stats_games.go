package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/internal/consensus"
	"github.com/parallax-run/parallax/runtime"
)

func statsBradleyTerry() *Decl {
	return &Decl{
		Name:   "bradley_terry",
		Params: []Param{{Name: "games", Type: "list of tuples"}, {Name: "prior", Type: "int or float", Default: "0", Kind: Named}},
		Result: "dict",
		Doc: `stats.bradley_terry(games, prior=0) is the strength of each player of the games, the strongest first, with a sum of 1: a beats b with
probability s["a"] / (s["a"] + s["b"]).

A game is (winner, loser), or (a, b, score) where score is what a made of it: 1 a win, 0.5 a draw, 0 a loss. Players have names. One who never lost
to any of the others has no finite strength, which is an error; with prior=0.5 for example each player also wins and loses half a game against an imagined one.

    stats.bradley_terry([("a", "b")] * 3 + [("b", "a")])        # {"a": 0.75, "b": 0.25}
    stats.bradley_terry([("a", "b"), ("b", "c")], prior = 0.5)  # a over b over c`,
		Impl: bradleyTerry,
	}
}

// maxPlayers bounds the players of stats.bradley_terry, each of whom is compared with each other.
const maxPlayers = 1000

func bradleyTerry(c *Call) (starlark.Value, error) {
	g, err := c.gamesArg(0)
	if err != nil {
		return nil, err
	}
	prior, err := c.floatArg(1, 0)
	if err != nil {
		return nil, err
	}
	if !(prior >= 0 && prior <= 1e6) {
		return nil, c.wrong(1, "got %s, want a number of games, 0 to 1000000", shown(c.Args[1]))
	}
	n := float64(len(g.names))
	if err := c.work(0, 16*n*n+200*float64(len(g.games))); err != nil {
		return nil, err
	}
	strengths, err := consensus.BradleyTerry(g.wins(), prior)
	if e, ok := errors.AsType[*consensus.Unreachable](err); ok {
		return nil, c.wrong(0, "%s never lost to any of the others, so that nothing bounds the strength; give prior=0.5", g.those(e.Players))
	}
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	order := make([]int, len(strengths))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case strengths[a] > strengths[b]:
			return -1
		case strengths[a] < strengths[b]:
			return 1
		}
		return 0
	})
	out := starlark.NewDict(len(order))
	for _, k := range order {
		setKey(out, g.names[k], starlark.Float(strengths[k]))
	}
	return out, nil
}

// played is games by the numbers of the players.
type played struct {
	names []string
	games []game
}

// game is what a made of a game against b.
type game struct {
	a, b  int
	score float64
}

// gamesArg is parameter i as games.
func (c *Call) gamesArg(i int) (*played, error) {
	values, err := c.elements(i)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.wrong(i, "there are no games")
	}
	if err := charge(c.Thread, 160*len(values)); err != nil {
		return nil, err
	}
	g := &played{games: make([]game, len(values))}
	known := make(map[string]int)
	for k, v := range values {
		if g.games[k], err = g.read(v, known); err != nil {
			return nil, c.wrong(i, "element %d: %w", k, err)
		}
	}
	if len(g.names) > maxPlayers {
		return nil, c.wrong(i, "there are %d players, want at most %d", len(g.names), maxPlayers)
	}
	return g, nil
}

// read reads one game.
func (g *played) read(v starlark.Value, known map[string]int) (game, error) {
	parts, ok := tupleOf(v, 2, 3)
	if !ok {
		return game{}, fmt.Errorf("got %s, want (winner, loser) or (a, b, score)", described(v))
	}
	var who [2]int
	for k, p := range parts[:2] {
		name, ok := p.(starlark.String)
		if !ok {
			return game{}, fmt.Errorf("the player %s is no string", shown(p))
		}
		at, met := known[string(name)]
		if !met {
			at = len(g.names)
			known[string(name)] = at
			g.names = append(g.names, string(name))
		}
		who[k] = at
	}
	if who[0] == who[1] {
		return game{}, fmt.Errorf("%s played against itself", shown(parts[0]))
	}
	one := game{a: who[0], b: who[1], score: 1}
	if len(parts) == 3 {
		score, ok := starlark.AsFloat(parts[2])
		if !ok || !(score >= 0 && score <= 1) {
			return game{}, fmt.Errorf("the score %s is no number between 0 and 1", shown(parts[2]))
		}
		one.score = score
	}
	return one, nil
}

// wins is how often each player beat each other one; scores are added correctly rounded, so that their order does not matter.
func (g *played) wins() [][]float64 {
	scores := make(map[[2]int][]float64)
	for _, one := range g.games {
		a, b := [2]int{one.a, one.b}, [2]int{one.b, one.a}
		scores[a] = append(scores[a], one.score)
		scores[b] = append(scores[b], 1-one.score)
	}
	wins := make([][]float64, len(g.names))
	for i := range wins {
		wins[i] = make([]float64, len(g.names))
		for j := range wins[i] {
			wins[i][j] = consensus.Sum(scores[[2]int{i, j}])
		}
	}
	return wins
}

// those names players, the first few of many.
func (g *played) those(players []int) string {
	var names []string
	for _, k := range players[:min(len(players), 3)] {
		names = append(names, strconv.Quote(brief(g.names[k])))
	}
	text := strings.Join(names, " and ")
	if more := len(players) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func statsKappa() *Decl {
	return &Decl{
		Name:   "kappa",
		Params: []Param{{Name: "ratings", Type: "list of lists"}},
		Result: "float",
		Doc: `stats.kappa(ratings) is Fleiss' kappa: how far raters agree beyond chance, 1 always and 0 as often as chance would have it.

ratings has for each item the list of the labels that its raters gave, as many for each item and two at least; labels are equal as in vote. When all ratings are one
label it is undefined, which is an error.

    stats.kappa([["good", "good"], ["bad", "bad"], ["good", "bad"]]) # 0.333...`,
		Impl: kappa,
	}
}

func kappa(c *Call) (starlark.Value, error) {
	items, err := c.elements(0)
	if err != nil {
		return nil, err
	}
	labels := newRegister(answerKey)
	rows := make([][]int, len(items))
	for k, item := range items {
		row, ok := tupleOf(item, 0, maxItems)
		if !ok {
			return nil, c.wrong(0, "element %d: got %s, want a list of labels", k, runtime.A(item.Type()))
		}
		if err := charge(c.Thread, 160*(len(row)+1)); err != nil {
			return nil, err
		}
		for _, v := range row {
			n, err := labels.number(answered(v))
			if err != nil {
				return nil, c.wrong(0, "element %d: %w", k, err)
			}
			rows[k] = append(rows[k], n)
		}
	}
	if err := c.work(0, 8*float64(len(rows))*float64(len(labels.options))); err != nil {
		return nil, err
	}
	counts := make([][]int, len(rows))
	for k, row := range rows {
		counts[k] = make([]int, len(labels.options))
		for _, n := range row {
			counts[k][n]++
		}
	}
	x, err := consensus.FleissKappa(counts)
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	return starlark.Float(x), nil
}
