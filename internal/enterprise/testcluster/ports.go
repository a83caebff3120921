//go:build linux

package testcluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// A port names a listener of the cluster.
type port int

const (
	postgres port = iota
	frontend
	frontendMembers
	matching
	matchingMembers
	history
	historyMembers
	worker
	workerMembers
	portCount
)

// ports holds the number of each listener.
type ports [portCount]int

func (p ports) addr(which port) string {
	return net.JoinHostPort(loopback, strconv.Itoa(p[which]))
}

const (
	loopback = "127.0.0.1"
	// Below what the kernel gives to outgoing connections (from 32768 on): while a server is down, its port must stay free.
	lowestPort, highestPort = 15000, 32000
)

// freePorts finds ports that nobody listens on.
func freePorts() (ports, error) {
	var found ports
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for tries := 0; len(listeners) < len(found); tries++ {
		if tries > 1000 {
			return found, errors.New("no free ports on the loopback")
		}
		n := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, n)) //nolint:noctx // returns at once
		if err != nil {
			continue
		}
		found[len(listeners)] = n
		listeners = append(listeners, l)
	}
	return found, nil
}
