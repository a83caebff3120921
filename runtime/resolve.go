package runtime

// Resolve checks the names that a file uses, without making a program of it. Its error is a *SourceError.
func (f *File) Resolve(env Environment) error {
	names := env.guarded()
	_, err := f.compile(&names, nil)
	return err
}
