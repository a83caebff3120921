package host

// keeper is not needed: job objects end children with their host.
type keeper struct{}

func startKeeper(string, []string) (*keeper, error) { return nil, nil }

func (*keeper) watch(int)    {}
func (*keeper) forget(int)   {}
func (*keeper) close() error { return nil }
