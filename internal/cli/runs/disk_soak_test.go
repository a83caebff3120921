//go:build soak

package runs_test

import "testing"

func TestSoakAThousandRunsTakeDiskByWhatIsDistinctInThem(t *testing.T) {
	t.Parallel()
	takesDiskByContent(t, 1000, 2)
}
