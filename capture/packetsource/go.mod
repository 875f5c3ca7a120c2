module github.com/bpfjit/bpfjit/capture/packetsource

go 1.26.0

require (
	github.com/bpfjit/bpfjit v0.0.0
	github.com/gopacket/gopacket v1.7.7
)

require (
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/bpfjit/bpfjit => ../..
