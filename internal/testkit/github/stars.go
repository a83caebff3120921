package github

import "fmt"

// Stars gives a repository n stars of people who have nothing else to do with it.
func (s *Server) Stars(repo string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stars := s.repository(repo).stars
	for i := range n {
		stars[fmt.Sprintf("fan-%d", i)] = true
	}
}
