package booking

import (
	"slices"
	"testing"
)

func same(t *testing.T, got, want []Slot) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMinutes(t *testing.T) {
	if got := (Slot{540, 600}).Minutes(); got != 60 {
		t.Errorf("got %d, want 60", got)
	}
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b Slot
		want bool
	}{
		{Slot{0, 10}, Slot{5, 15}, true},
		{Slot{5, 15}, Slot{0, 10}, true},
		{Slot{0, 10}, Slot{10, 20}, false},
		{Slot{0, 10}, Slot{20, 30}, false},
	} {
		if got := Overlap(c.a, c.b); got != c.want {
			t.Errorf("Overlap(%v, %v) = %v", c.a, c.b, got)
		}
	}
}

func TestMergeOfNothing(t *testing.T) { same(t, Merge(nil), nil) }

func TestMergeKeepsWhatIsApart(t *testing.T) {
	same(t, Merge([]Slot{{20, 30}, {0, 10}}), []Slot{{0, 10}, {20, 30}})
}

func TestMergeJoinsWhatOverlaps(t *testing.T) {
	same(t, Merge([]Slot{{0, 10}, {5, 15}, {14, 20}}), []Slot{{0, 20}})
}

func TestMergeJoinsWhatTouches(t *testing.T) {
	same(t, Merge([]Slot{{10, 20}, {0, 10}}), []Slot{{0, 20}})
}

func TestMergeLeavesItsInputAlone(t *testing.T) {
	slots := []Slot{{20, 30}, {0, 10}}
	Merge(slots)
	same(t, slots, []Slot{{20, 30}, {0, 10}})
}

func TestMergeSwallowsWhatIsWithin(t *testing.T) {
	same(t, Merge([]Slot{{0, 30}, {5, 10}}), []Slot{{0, 30}})
}

func TestFreeOnAnEmptyDay(t *testing.T) {
	same(t, Free(nil, Slot{540, 1020}, 60), []Slot{{540, 1020}})
}

func TestFreeIsBetweenBookings(t *testing.T) {
	same(t, Free([]Slot{{600, 660}, {720, 780}}, Slot{540, 840}, 60), []Slot{{540, 600}, {660, 720}, {780, 840}})
}

func TestFreeLeavesOutWhatIsTooShort(t *testing.T) {
	same(t, Free([]Slot{{600, 660}}, Slot{540, 690}, 45), []Slot{{540, 600}})
}

func TestBusyIsAShare(t *testing.T) {
	if got := Busy([]Slot{{0, 30}, {10, 60}}, Slot{0, 120}); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
	if got := Busy(nil, Slot{0, 0}); got != 0 {
		t.Errorf("got %v of a day without minutes, want 0", got)
	}
}
