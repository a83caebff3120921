//go:build unix

package badger

func ignoreUnsupported(err error) error { return err }
