package badger

// connect makes this process the owner of the store, or finds the one that is.
func (s *Store) connect() error {
	d, err := openDisk(s.dir, s.opts)
	if err != nil {
		return err
	}
	s.backend = d
	return nil
}

// calls are requests that were not answered yet.
type calls struct{}

func (s *Store) send(r *request, reply func(*answer)) error {
	r.Sync = s.opts.Durability == Fsync
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.backend.send(s.self, r, reply)
	return nil
}
