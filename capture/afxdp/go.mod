module github.com/bpfjit/bpfjit/capture/afxdp

go 1.26.0

require (
	github.com/bpfjit/bpfjit v0.0.0
	github.com/cilium/ebpf v0.22.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/net v0.62.0

replace github.com/bpfjit/bpfjit => ../..
