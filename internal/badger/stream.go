package badger

import "context"

// stream implements backend.
func (d *disk) stream(context.Context, *request, func(*answer) bool) error { return nil }
