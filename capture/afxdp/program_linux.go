package afxdp

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachment is the XDP program on an interface, shared by the Rings of its
// queues: the last one that leaves takes it off.
type attachment struct {
	sockets *ebpf.Map // BPF_MAP_TYPE_XSKMAP: by receive queue
	prog    *ebpf.Program
	link    link.Link
	users   atomic.Int32
}

// Offsets in struct xdp_md, linux/bpf.h.
const (
	xdpMdData     = 0
	xdpMdDataMeta = 8
	xdpMdRxQueue  = 16

	xdpPass     = 2
	xdpRedirect = 4

	// stampSize is the size of the time, in nanoseconds of CLOCK_MONOTONIC, that
	// the program leaves before a packet.
	stampSize = 8
)

// redirect is the XDP program: it gives packets of the queues in the map to the
// sockets there, with the time before them where the driver has room for it, and
// passes others on.
func redirect(sockets *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, xdpMdRxQueue, asm.Word),
		asm.LoadMapPtr(asm.R1, sockets.FD()),
		asm.Mov.Imm(asm.R3, xdpPass), // what the call returns if the map has no socket
		asm.FnRedirectMap.Call(),
		asm.JNE.Imm(asm.R0, xdpRedirect, "exit"),

		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, -stampSize),
		asm.FnXdpAdjustMeta.Call(),
		asm.JNE.Imm(asm.R0, 0, "redirect"),
		asm.FnKtimeGetNs.Call(),
		asm.LoadMem(asm.R1, asm.R6, xdpMdDataMeta, asm.Word),
		asm.LoadMem(asm.R2, asm.R6, xdpMdData, asm.Word),
		asm.Mov.Reg(asm.R3, asm.R1), // the verifier wants to see that there is room
		asm.Add.Imm(asm.R3, stampSize),
		asm.JGT.Reg(asm.R3, asm.R2, "redirect"),
		asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),

		asm.Mov.Imm(asm.R0, xdpRedirect).WithSymbol("redirect"),
		asm.Return().WithSymbol("exit"),
	}
}

// attach puts the program on the interface. No packet is redirected before add.
func attach(ifindex int, where Attach) (a *attachment, err error) {
	a = new(attachment)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
			a = nil
		}
	}()
	a.sockets, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "afxdp_sockets", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: maxQueues,
	})
	if err != nil {
		return a, refused("make a map of sockets", err)
	}
	a.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "afxdp_redirect", Type: ebpf.XDP, License: "BSD", Instructions: redirect(a.sockets),
	})
	if err != nil {
		return a, refused("load the XDP program", err)
	}
	flags := []link.XDPAttachFlags{AttachAuto: 0, AttachGeneric: link.XDPGenericMode, AttachNative: link.XDPDriverMode}[where]
	a.link, err = link.AttachXDP(link.XDPOptions{Program: a.prog, Interface: ifindex, Flags: flags})
	switch {
	case errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST):
		return a, fmt.Errorf("the interface has an XDP program already: %w", err)
	case errors.Is(err, unix.EOPNOTSUPP) && where == AttachNative:
		return a, fmt.Errorf("the driver has no XDP: %w", err)
	case err != nil:
		return a, refused("attach the XDP program", err)
	}
	return a, nil
}

func refused(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("no right to %s (CAP_BPF and CAP_NET_ADMIN): %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// add has the queue's packets redirected to the socket from now on.
func (a *attachment) add(queue, fd int) error {
	if err := a.sockets.Put(uint32(queue), uint32(fd)); err != nil {
		return fmt.Errorf("redirect queue %d: %w", queue, err)
	}
	return nil
}

// remove has the queue's packets pass to the stack. When it returns, all that
// were redirected are in the socket's ring.
func (a *attachment) remove(queue int) error {
	if err := a.sockets.Delete(uint32(queue)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("redirect queue %d no more: %w", queue, err)
	}
	waitForCPUs()
	return nil
}

// release takes the program off when its last user has gone.
func (a *attachment) release() error {
	if a.users.Add(-1) > 0 {
		return nil
	}
	return a.close()
}

func (a *attachment) close() error {
	var errs []error
	if a.link != nil {
		errs = append(errs, os.NewSyscallError("detach the XDP program", a.link.Close()))
	}
	if a.prog != nil {
		errs = append(errs, a.prog.Close())
	}
	if a.sockets != nil {
		errs = append(errs, a.sockets.Close())
	}
	return errors.Join(errs...)
}
