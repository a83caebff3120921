// Command hello does nothing; it is built for 32 bits.
package main

func main() { println("hello") }
