package host_test

func serveRaw() {}
func beHost()   {}
