package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/zstdread"
)

// listFilter prints the program, or its machine code, for what -y says or the
// capture has.
func (t *tool) listFilter() error {
	w := where{live: t.iface != "", vlan: t.vlan, netmask: netmaskOf(t.iface)}
	link := t.link
	if t.read != "" && !t.linkGiven {
		r := &reading{tool: t}
		in, err := r.openInput(context.Background())
		if err != nil {
			return err
		}
		defer r.closeInput()
		c, err := capture.NewReader(in, zstdread.Option())
		if err != nil {
			return r.readError(err)
		}
		link = c.LinkType()
	}
	p, err := t.checked(link, w)
	if err != nil {
		return err
	}
	if t.dump {
		return t.dumpCode(p)
	}
	forms := []bpfasm.Form{bpfasm.Listing, bpfasm.DD, bpfasm.DDD}
	return bpfasm.Write(t.stdout, forms[t.list-1], p.Instructions())
}

// listDevices prints the interfaces that can be captured from.
func (t *tool) listDevices() error {
	ifs, err := net.Interfaces()
	if err != nil {
		return err
	}
	for i, ifc := range ifs {
		var state []string
		for _, f := range []struct {
			flag net.Flags
			name string
		}{{net.FlagUp, "Up"}, {net.FlagRunning, "Running"}, {net.FlagLoopback, "Loopback"}} {
			if ifc.Flags&f.flag != 0 {
				state = append(state, f.name)
			}
		}
		fmt.Fprintf(t.stdout, "%d.%s [%s]\n", i+1, ifc.Name, strings.Join(state, ", "))
	}
	fmt.Fprintf(t.stdout, "%d.any (all interfaces)\n", len(ifs)+1)
	return nil
}
