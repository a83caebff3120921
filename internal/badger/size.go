package badger

// Size is how many bytes the files of a store take on the disk.
func Size(dir string) int64 { return filesIn(dir) }
