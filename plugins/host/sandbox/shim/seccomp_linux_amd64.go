package shim

import "github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"

func thisArchitecture() *architecture {
	return &architecture{
		audit: kernel.AUDIT_ARCH_X86_64,
		most:  kernel.SYS_FILE_SETATTR,
		x32:   true,
		refused: []uint32{
			kernel.SYS_IOPERM, kernel.SYS_IOPL, kernel.SYS_MODIFY_LDT, kernel.SYS_USELIB, kernel.SYS_USTAT, kernel.SYS_SYSFS, kernel.SYS__SYSCTL,
			kernel.SYS_CREATE_MODULE, kernel.SYS_GET_KERNEL_SYMS, kernel.SYS_QUERY_MODULE, kernel.SYS_NFSSERVCTL, kernel.SYS_LOOKUP_DCOOKIE, kernel.SYS_KEXEC_FILE_LOAD,
		},
	}
}
