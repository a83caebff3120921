package runtime

// Resolve checks the names that a file uses, without making a program of it. It uses up the file's syntax tree: compile another
// Parse of the same text. Its error is a *SourceError.
func (f *File) Resolve(env Environment) error {
	_, err := f.compile(env)
	return err
}
