package command

import (
	"context"
	"log/slog"
	"slices"
)

// told are messages of Temporal's library about what the run tells itself: that an agent failed, and that a call was cancelled.
var told = []string{"Activity error.", "RecordActivityHeartbeat with error"}

// log is where a worker says what goes wrong with it.
func (c *connection) log() *slog.Logger {
	return slog.New(untold{slog.NewTextHandler(c.app.Err, &slog.HandlerOptions{Level: slog.LevelWarn})})
}

// untold leaves out what is told elsewhere.
type untold struct{ slog.Handler }

// Handle implements slog.Handler.
func (h untold) Handle(ctx context.Context, r slog.Record) error {
	if slices.Contains(told, r.Message) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h untold) WithAttrs(attrs []slog.Attr) slog.Handler { return untold{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h untold) WithGroup(name string) slog.Handler { return untold{h.Handler.WithGroup(name)} }
