// Package booking keeps the bookings of a room. It has a bug, for the team of this example to find and mend.
package booking

import "slices"

// Slot is a time of one day in minutes since midnight. From belongs to it, To does not.
type Slot struct{ From, To int }

// Minutes is how long a slot is.
func (s Slot) Minutes() int { return s.To - s.From }

// Overlap says whether two slots share a minute.
func Overlap(a, b Slot) bool { return a.From < b.To && b.From < a.To }

// Merge gives the same times in as few slots as can be, in order: those that overlap or touch are one.
func Merge(slots []Slot) []Slot {
	sorted := slices.Clone(slots)
	slices.SortFunc(sorted, func(a, b Slot) int { return a.From - b.From })
	var merged []Slot
	for _, s := range sorted {
		last := len(merged) - 1
		if last >= 0 && s.From <= merged[last].To {
			if s.To < merged[last].To {
				merged[last].To = s.To
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// Free gives the times of a day that are not busy and last for at least so many minutes.
func Free(busy []Slot, day Slot, minutes int) []Slot {
	var free []Slot
	from := day.From
	for _, s := range Merge(busy) {
		if s.From-from >= minutes {
			free = append(free, Slot{from, s.From})
		}
		from = max(from, s.To)
	}
	if day.To-from >= minutes {
		free = append(free, Slot{from, day.To})
	}
	return free
}

// Busy is the share of a day, from 0 to 1, that is booked.
func Busy(busy []Slot, day Slot) float64 {
	if day.Minutes() == 0 {
		return 0
	}
	booked := 0
	for _, s := range Merge(busy) {
		booked += s.Minutes()
	}
	return float64(booked) / float64(day.Minutes())
}
