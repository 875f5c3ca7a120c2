package jit

import (
	"sync"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/amd64"
)

// cpuid executes CPUID (Intel SDM volume 2).
func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)

// hostFeatures is what this machine's instruction set has beyond the baseline.
//
// BMI2's instructions are VEX-encoded but work on general registers, so they
// need no help of the operating system: they fault only where CPUID does not
// list them (SDM volume 2, exception conditions of VEX-encoded GPR
// instructions), and OSXSAVE need not be asked.
var hostFeatures = sync.OnceValue(func() amd64.Features {
	var f amd64.Features
	last, _, _, _ := cpuid(0, 0)
	if last >= 1 {
		_, _, c, _ := cpuid(1, 0)
		f.MOVBE = c>>22&1 != 0
	}
	if last >= 7 {
		_, b, _, _ := cpuid(7, 0)
		f.BMI2 = b>>8&1 != 0
	}
	return f
})

// generate compiles a function for the machine this runs on.
func generate(fn *lir.Func) (*lir.Code, error) { return amd64.Compile(fn, hostFeatures()) }
