package edition

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachFeatureSaysWhatItNeedsAndTheNextStep(t *testing.T) {
	t.Parallel()
	for _, f := range []Feature{Server, Login, Deploy, Schedule, "replicate"} {
		var e *ServerError
		require.ErrorAs(t, NeedsServer(f), &e)
		require.Equal(t, f, e.Feature)
		require.Contains(t, e.Error(), string(f)+" needs a Parallax server: ")
		require.NotEmpty(t, e.Does)
		require.NotEmpty(t, e.Hint())
	}
}
