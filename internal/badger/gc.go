package badger

import "time"

// Retention says which ended runs may stay. A zero field sets no bound.
type Retention struct {
	MaxAge   time.Duration // since they ended
	MaxBytes int64         // of the whole store on the disk
	MaxRuns  int
}

// Freed is what gc did.
type Freed struct {
	Runs  int
	Blobs int
	Bytes int64 // on the disk, by which the store got smaller
}
