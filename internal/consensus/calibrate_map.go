package consensus

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Map turns the confidences that somebody states into ones that can be trusted. It is plain data, to be stored and read again; which
// fields it has depends on its method.
type Map struct {
	Method      string    `json:"method"` // Temperature, Platt or Isotonic
	N           int       `json:"n"`      // labels that it was fitted to
	Temperature float64   `json:"temperature,omitempty"`
	Slope       float64   `json:"slope,omitempty"`
	Intercept   float64   `json:"intercept,omitempty"`
	Confidences []float64 `json:"confidences,omitempty"` // increasing; between them the value is interpolated
	Values      []float64 `json:"values,omitempty"`      // never falling
}

// Methods of a Map.
const (
	Temperature = "temperature"
	Platt       = "platt"
	Isotonic    = "isotonic"
)

// surest is the firmest confidence that temperature and Platt maps take as it is. The log-odds of certainty are infinite, so that
// confidences nearer to 0 or 1 are read as this near.
const surest = 0.001

// oddsStated is the log-odds of a stated confidence.
func oddsStated(confidence float64) float64 { return logit(min(max(confidence, surest), 1-surest)) }

// Apply is the confidence to have when p is stated. Temperature and isotonic maps keep the order of confidences, a Platt map with a
// negative slope turns it round.
func (m *Map) Apply(p float64) (float64, error) {
	if err := m.Check(); err != nil {
		return 0, err
	}
	if err := share("the confidence", p); err != nil {
		return 0, err
	}
	switch m.Method {
	case Temperature:
		return logistic(oddsStated(p) / m.Temperature), nil
	case Platt:
		return logistic(float64(m.Slope*oddsStated(p)) + m.Intercept), nil
	default:
		return m.interpolated(p), nil
	}
}

// interpolated is the value at p on the line through the points of an isotonic map, level beyond its ends.
func (m *Map) interpolated(p float64) float64 {
	i, found := slices.BinarySearch(m.Confidences, p)
	switch {
	case found:
		return m.Values[i]
	case i == 0:
		return m.Values[0]
	case i == len(m.Values):
		return m.Values[i-1]
	}
	from, to := m.Confidences[i-1], m.Confidences[i]
	return between(m.Values[i-1], m.Values[i], (p-from)/(to-from))
}

// Check says what is wrong with a map that comes from elsewhere.
func (m *Map) Check() error {
	switch m.Method {
	case Temperature:
		if !(m.Temperature > 0) || math.IsInf(m.Temperature, 0) {
			return fmt.Errorf("the temperature %v is not a finite number above 0", m.Temperature)
		}
		return nil
	case Platt:
		return errors.Join(finite("slope", []float64{m.Slope}), finite("intercept", []float64{m.Intercept}))
	case Isotonic:
		return m.checkPoints()
	default:
		return fmt.Errorf("the method %q is none of %s, %s and %s", m.Method, Temperature, Platt, Isotonic)
	}
}

func (m *Map) checkPoints() error {
	if len(m.Confidences) != len(m.Values) {
		return fmt.Errorf("%d confidences and %d values", len(m.Confidences), len(m.Values))
	}
	if err := someShares("confidence", m.Confidences); err != nil {
		return err
	}
	if err := shares("value", m.Values); err != nil {
		return err
	}
	for i := 1; i < len(m.Values); i++ {
		if m.Confidences[i] <= m.Confidences[i-1] {
			return fmt.Errorf("confidence %d is not above the one before", i)
		}
		if m.Values[i] < m.Values[i-1] {
			return fmt.Errorf("value %d is below the one before", i)
		}
	}
	return nil
}
