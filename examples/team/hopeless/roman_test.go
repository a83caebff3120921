package roman

import "testing"

func TestNumerals(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{
		{0, ""}, {1, "I"}, {3, "III"}, {6, "VI"}, {27, "XXVII"}, {2026, "MMXXVI"}, {4, "IV"}, {9, "IX"}, {90, "XC"}, {1994, "MCMXCIV"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := Numeral(c.n); got != c.want {
				t.Errorf("got %s for %d, want %s", got, c.n, c.want)
			}
		})
	}
}
