package lir_test

import (
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
)

func ExampleBuilder() {
	b := lir.NewBuilder("isIPv4")
	pkt, n := b.Param(), b.Param()
	long, short := b.Block(), b.Block()
	b.Branch(lir.W64, lir.GEU, n, lir.I(14), long, short)

	b.SetBlock(long)
	etherType := b.Load(lir.W16, lir.BigEndian, lir.At(pkt, 12))
	b.Return(lir.R(b.Set(lir.W32, lir.EQ, etherType, lir.I(0x800))))

	b.SetBlock(short)
	b.Return(lir.I(0))

	f, err := b.Func()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(f)

	packet := []byte{12: 0x08, 13: 0x00}
	const addr = 0x10000 // any will do
	fmt.Println(f.Interpret([]lir.Region{{Addr: addr, Data: packet}}, addr, uint64(len(packet))))
	// Output:
	// func isIPv4(%1, %2) {
	// b0:
	// 	br64.geu %2, 14, b1, b2
	// b1:
	// 	%3 = load16.be [%1 + 12]
	// 	%4 = set32.eq %3, 0x800
	// 	ret %4
	// b2:
	// 	ret 0
	// }
	// 1 <nil>
}

// docCode gives the indented passages of the package documentation.
func docCode(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var p comment.Parser
	var code []string
	for _, block := range p.Parse(file.Doc.Text()).Content {
		if c, ok := block.(*comment.Code); ok {
			code = append(code, c.Text)
		}
	}
	return code
}

// TestDocTable: the table of operations in the documentation is the one of the
// program.
func TestDocTable(t *testing.T) {
	widths := map[string]lir.Width{
		"32 64":    lir.W32 | lir.W64,
		"16 32 64": lir.W16 | lir.W32 | lir.W64,
		"8 to 64":  lir.W8 | lir.W16 | lir.W32 | lir.W64,
		"none":     0,
	}
	operands := map[string]lir.Operands{
		"mem":        lir.UsesMem,
		"mem, B":     lir.UsesMem | lir.UsesB,
		"A":          lir.UsesA,
		"B":          lir.UsesB,
		"A, B":       lir.UsesA | lir.UsesB,
		"A, B, T, F": lir.UsesA | lir.UsesB | lir.UsesTF,
	}
	var rows []string
	for _, code := range docCode(t) {
		if strings.HasPrefix(code, "name ") {
			rows = strings.Split(strings.TrimSpace(code), "\n")[1:]
		}
	}
	op := lir.OpInvalid
	for _, row := range rows {
		op++
		info := op.Info()
		name, w, operand, meaning := row[:10], row[10:20], row[20:34], row[34:]
		if got := strings.TrimSpace(name); got != info.Name {
			t.Errorf("row %s is where %s should be", got, info.Name)
		}
		if got, ok := widths[strings.TrimSpace(w)]; !ok || got != info.Widths {
			t.Errorf("%v: widths %s", op, w)
		}
		if strings.Contains(meaning, "dst =") != (info.Operands&lir.UsesDst != 0) {
			t.Errorf("%v: %s", op, meaning)
		}
		const listed = lir.UsesA | lir.UsesB | lir.UsesTF | lir.UsesMem
		if got, ok := operands[strings.TrimSpace(operand)]; !ok || got != info.Operands&listed {
			t.Errorf("%v: operands %s", op, operand)
		}
	}
	if op != lir.Prefetch {
		t.Errorf("the last row is that of %v", op)
	}
}

// TestDocExample runs the function in the documentation.
func TestDocExample(t *testing.T) {
	var f *lir.Func
	for _, code := range docCode(t) {
		if strings.HasPrefix(code, "func ports") {
			f = mustParse(t, code)
		}
	}
	if f == nil {
		t.Fatal("not found")
	}
	roundTrip(t, f)
	packet := func(typ byte, ihl, port int) []byte {
		p := make([]byte, 14+4*ihl+4)
		p[12], p[14] = typ, 0x40|byte(ihl)
		p[14+4*ihl+2], p[14+4*ihl+3] = byte(port>>8), byte(port)
		return p
	}
	for _, test := range []struct {
		pkt  []byte
		want uint64
	}{
		{packet(8, 5, 80), 0x40000},
		{packet(8, 5, 443), 0x40000},
		{packet(8, 15, 22), 0x40000},
		{packet(8, 5, 81), 0},
		{packet(9, 5, 80), 0},
		{packet(8, 5, 80)[:37], 0},
		{packet(8, 5, 80)[:33], 0},
		{nil, 0},
	} {
		got, err := f.Interpret([]lir.Region{{Addr: 4096, Data: test.pkt}}, 4096, uint64(len(test.pkt)))
		if err != nil || got != test.want {
			t.Errorf("%x: %#x, %v; want %#x", test.pkt, got, err, test.want)
		}
	}
}
