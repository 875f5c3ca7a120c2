// Package jit runs classic BPF programs as native code.
//
//	f, err := jit.Compile(prog)
//	if err != nil {
//		return err // names the instruction and the rule it breaks
//	}
//	defer f.Close()
//	keep := f.Run(packet, wireLength)
//
// Compile takes a program through packages bpfc, lir and lir/amd64 and puts
// the machine code where it can be executed. Where that is not possible, on
// another architecture or under a policy that forbids it, and for the few
// programs that have no native form, the interpreter gives the same verdicts;
// Filter.Native, Filter.Fallback and Available tell. Load does the same for
// any lir function, but has no interpreter to fall back to.
//
// # Safety
//
// Generated code reads the captured bytes of the packet, its bpfc.Aux and its
// own stack frame, and nothing else; it stores in its frame alone. No memory is
// writable and executable at once, at any address, and what is executable
// holds programs and, elsewhere, trap instructions.
//
// A fault in generated code, as when a packet lies in a mapped file that
// somebody truncates, is the run-time error that it would be in Go code: fatal,
// or a panic where debug.SetPanicOnFault is on.
//
// # Concurrency and lifetime
//
// Filters and Codes may be used by any number of goroutines, and closed while
// they are. A call takes no lock, counts no reference and allocates nothing.
// The memory of code is given back some time after the last call has returned
// and nobody can make another, be it because of Close or because the Filter is
// garbage.
//
// A goroutine in generated code is not preempted: a collection waits for it.
// A filter takes at most microseconds; of a batch it waits for 256 packets. A
// loaded function that loops for long holds up the program.
//
// # Tools
//
// The race detector is told what a filter reads. CPU profiles show the time in
// generated code as runtime._ExternalCode, without a caller; labels tell
// filters apart:
//
//	pprof.Do(ctx, pprof.Labels("bpf", name), func(context.Context) { ... })
//
// Linux perf sees callers and names with WithPerfMap, and instructions with
// WithJitdump.
package jit
