package shim

import "github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"

func thisArchitecture() *architecture {
	return &architecture{
		audit:   kernel.AUDIT_ARCH_AARCH64,
		most:    kernel.SYS_FILE_SETATTR,
		refused: []uint32{kernel.SYS_NFSSERVCTL, kernel.SYS_LOOKUP_DCOOKIE, kernel.SYS_KEXEC_FILE_LOAD},
	}
}
