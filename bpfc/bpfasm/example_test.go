package bpfasm_test

import (
	"fmt"
	"os"

	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

// A program in whatever form it comes, as assembler text.
func Example() {
	prog, form, err := bpfasm.Read([]byte("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("read as", form)
	if err := bpfasm.Write(os.Stdout, bpfasm.Asm, prog); err != nil {
		fmt.Println(err)
	}
	// Output:
	// read as xt
	// 	ldh [12]
	// 	jneq #0x800, L3
	// 	ret #262144
	// L3:	ret #0
}
