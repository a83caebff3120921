package badger

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

func running(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}

// stopped says whether a process was stopped, as by Ctrl-Z or a debugger.
func stopped(pid int) bool {
	fields := statOf(pid)
	return len(fields) > 0 && (fields[0] == "T" || fields[0] == "t")
}

// statOf gives what the system tells of a process behind its name: first how it stands.
func statOf(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// began gives the start of a process in ticks since the machine's, and "" when it is not there or dead and not yet waited for.
func began(pid int) string {
	fields := statOf(pid)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
