package sandbox

// Attempt is something that an agent may try, and at which levels the sandbox stops it. The attack suite makes each attempt at each level, as
// root and as nobody, and the guide prints this table: the three say the same.
type Attempt struct {
	Name string
	From Level // the lowest level that stops it; above Strict means that none does
	Note string

	// Root is the lowest level that stops an agent which stays root because nobody else may use what it needs; zero is From.
	Root Level
	// Open is true where hosts are granted and the machine gives no network of the agent's own: the proxy is then advice to a well-meaning agent.
	Open bool
}

// Never is the level of what no sandbox here stops.
const Never = Strict + 1

// Attempts lists what the attack suite tries.
func Attempts() []Attempt {
	return []Attempt{
		{Name: "inherited environment", From: Basic, Note: "read a variable of the host that was not granted"},
		{Name: "inherited descriptor", From: Basic, Note: "use a file that the host happened to have open"},
		{Name: "read /etc/shadow", From: Standard},
		{Name: "read a file", From: Standard, Note: "that anybody on the machine may read"},
		{Name: "read another's scratch", From: Standard},
		{Name: "write a file", From: Standard, Note: "where anybody on the machine may write"},
		{Name: "write where it may read", From: Standard},
		{Name: "make a device", From: Basic},
		{Name: "host environment", From: Standard, Note: "of any process but its own"},
		{Name: "host memory", From: Standard},
		{Name: "signal the host", From: Standard},
		{Name: "trace the host", From: Standard},
		{Name: "type into a terminal", From: Standard},

		{Name: "TCP", From: Standard, Note: "to a host that is not granted"},
		{Name: "IPv6", From: Standard},
		{Name: "TCP fast open", From: Standard},
		{Name: "MPTCP", From: Standard},
		{Name: "UDP", From: Standard},
		{Name: "DNS", From: Standard, Note: "names that carry data"},
		{Name: "raw socket", From: Basic},
		{Name: "packet socket", From: Basic},
		{Name: "netlink", From: Standard},
		{Name: "virtual socket", From: Standard, Note: "to the host of a virtual machine"},
		{Name: "kernel crypto", From: Standard},
		{Name: "listen on a port", From: Standard},
		{Name: "listen on any port", From: Standard, Open: true},
		{Name: "abstract unix socket", From: Standard},
		{Name: "unix socket", From: Standard, Open: true, Note: "of a server of the machine: a desktop's bus, docker"},
		{Name: "unix datagram", From: Standard},
		{Name: "unix packet", From: Basic},

		{Name: "run a program", From: Standard, Note: "that is not granted, by its path"},
		{Name: "run from scratch", From: Standard, Note: "what it wrote itself"},
		{Name: "run from memory", From: Standard},
		{Name: "stay root", From: Basic, Root: Never, Note: "agents of root become nobody, unless only root may use their files"},
		{Name: "become another user", From: Basic},
		{Name: "keep capabilities", From: Basic},
		{Name: "gain privileges", From: Basic, Note: "by a program of another user"},
		{Name: "mount", From: Basic},
		{Name: "new user namespace", From: Standard},
		{Name: "new mount namespace", From: Standard},
		{Name: "unshare", From: Basic},
		{Name: "namespaces by clone3", From: Standard},
		{Name: "io_uring", From: Standard},
		{Name: "bpf", From: Standard},
		{Name: "performance counters", From: Standard},
		{Name: "keyring", From: Standard},
		{Name: "userfaultfd", From: Standard},
		{Name: "x32 system call", From: Standard},
		{Name: "32-bit system call", From: Standard},
		{Name: "unknown system call", From: Standard, Note: "newer than this program"},
		{Name: "live without its host", From: Basic, Note: "the kernel kills it when the host dies"},
		{Name: "undo the death signal", From: Standard},
		{Name: "outlive the host", From: Standard, Note: "a daemon without parent, group, session and environment"},

		{Name: "fork bomb", From: Basic, Root: Strict, Note: "more than 512 processes and threads; one that stays root is held by Linux 6.14 or later"},
		{Name: "memory", From: Basic, Note: "more than its limit in one process"},
		{Name: "shared memory", From: Standard},
		{Name: "memory file", From: Standard},
		{Name: "System V memory", From: Standard},
		{Name: "large file", From: Basic, Note: "more than 1 GiB"},
		{Name: "open files", From: Basic, Note: "more than 4096 in one process"},
		{Name: "memory of many", From: Never, Note: "the limit is for each process; a limit for all of them needs control groups"},
		{Name: "many files", From: Never, Note: "each is bounded, their number is not: that needs a quota"},
	}
}

// Stopped says whether a level stops the attempt. hosts says whether some were granted, root whether the agent stays root.
func (a *Attempt) Stopped(l Level, hosts, root bool) bool {
	switch {
	case a.Open && hosts && l < Strict:
		return false
	case root:
		return l >= max(a.From, a.Root)
	}
	return l >= a.From
}
