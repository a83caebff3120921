package badger

import "os"

// Owner is the process that owns the store just now, 0 while it is handed over.
func (s *Store) Owner() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.backend.(*link); ok {
		return l.owner
	}
	if s.backend == nil {
		return 0
	}
	return os.Getpid()
}
