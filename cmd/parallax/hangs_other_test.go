//go:build !unix

package main

// serveHanging is for tests of terminals, which there are not here.
func serveHanging() {}
