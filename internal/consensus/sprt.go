package consensus

import "fmt"

// Verdict is what a sequential test says so far.
type Verdict int

// The verdicts of a test.
const (
	Continue Verdict = iota // not enough is known
	AcceptH1                // the share is rather P1
	AcceptH0                // the share is rather P0
)

// String is the name of the verdict.
func (v Verdict) String() string {
	switch v {
	case Continue:
		return "continue"
	case AcceptH1:
		return "accept h1"
	case AcceptH0:
		return "accept h0"
	}
	return fmt.Sprintf("verdict %d", int(v))
}

// SPRT is the sequential probability ratio test (Wald 1945, Sequential Tests of Statistical Hypotheses) of whether those who agree are rather
// a share P1 or a share P0 of all. Alpha is how often P1 may be accepted wrongly, Beta how often P0 may.
type SPRT struct{ P0, P1, Alpha, Beta float64 }

// Validate says which number has no meaning. Decide wants a valid test.
func (t SPRT) Validate() error {
	for _, p := range []struct {
		name  string
		value float64
	}{{"p0", t.P0}, {"p1", t.P1}, {"alpha", t.Alpha}, {"beta", t.Beta}} {
		if !(p.value > 0 && p.value < 1) {
			return fmt.Errorf("%s is %v, not between 0 and 1", p.name, p.value)
		}
		if p.value < surest*surest {
			return fmt.Errorf("%s is %v, want at least a millionth", p.name, p.value)
		}
	}
	if t.P0 >= t.P1 {
		return fmt.Errorf("p0 is %v, not less than p1, which is %v", t.P0, t.P1)
	}
	if t.Alpha+t.Beta >= 1 {
		return fmt.Errorf("alpha and beta add up to %v, and both bounds hold only below 1", t.Alpha+t.Beta)
	}
	return nil
}

// Decide looks at how many agree and how many differ so far. A bound that is reached decides.
func (t SPRT) Decide(agree, differ int) Verdict {
	evidence := float64(float64(agree)*ln(t.P1/t.P0)) + float64(float64(differ)*ln((1-t.P1)/(1-t.P0)))
	upper, lower := ln((1-t.Beta)/t.Alpha), ln(t.Beta/(1-t.Alpha))
	switch {
	case evidence >= upper-float64(nearly*upper):
		return AcceptH1
	case evidence <= lower-float64(nearly*lower):
		return AcceptH0
	}
	return Continue
}
