package shim

import "golang.org/x/sys/unix"

func thisArchitecture() *architecture {
	return &architecture{
		audit: unix.AUDIT_ARCH_X86_64,
		most:  unix.SYS_FILE_SETATTR,
		x32:   true,
		refused: []uint32{
			unix.SYS_IOPERM, unix.SYS_IOPL, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS, unix.SYS__SYSCTL,
			unix.SYS_CREATE_MODULE, unix.SYS_GET_KERNEL_SYMS, unix.SYS_QUERY_MODULE, unix.SYS_NFSSERVCTL, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_KEXEC_FILE_LOAD,
		},
	}
}
