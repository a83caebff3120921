package provenance

import (
	"context"
	"fmt"
	"os"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
)

// days is how long what the public service said of itself is used without asking again.
const days = 1

// Trusted gives what is trusted: the file that is named, else sigstore's public service as it says of itself through The Update Framework, starting from the
// keys that are built in. What it said is kept below cache, and used without a network until it expires.
func Trusted(ctx context.Context, file, cache string) (root.TrustedMaterial, error) {
	if file != "" {
		trusted, err := root.NewTrustedRootFromPath(file)
		if err != nil {
			return nil, fmt.Errorf("what is trusted cannot be read from %s: %w", file, err)
		}
		return trusted, nil
	}
	opts := tuf.DefaultOptions().WithContext(ctx)
	if cache == "" {
		opts = opts.WithDisableLocalCache()
		return public(opts)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	opts = opts.WithCachePath(cache)
	trusted, err := public(opts.WithCacheValidity(days))
	if err == nil {
		return trusted, nil
	}
	if kept, cacheErr := public(opts.WithForceCache()); cacheErr == nil {
		return kept, nil
	}
	return nil, err
}

func public(opts *tuf.Options) (root.TrustedMaterial, error) {
	trusted, err := root.FetchTrustedRootWithOptions(opts)
	if err != nil {
		return nil, fmt.Errorf("what sigstore's public service is trusted by cannot be fetched from %s: %w", opts.RepositoryBaseURL, err)
	}
	return trusted, nil
}
