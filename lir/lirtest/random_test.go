package lirtest

import (
	"math/rand"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
)

func TestRandom(t *testing.T) {
	ops := map[lir.Op]int{}
	conds := map[lir.Cond]int{}
	terms := map[lir.TermKind]int{}
	loops := 0
	for seed := int64(0); seed < 3000; seed++ {
		r := rand.New(rand.NewSource(seed))
		c := Config{ReadOnly: seed%3 == 0}
		if seed%5 == 0 {
			c.Vars = 40
		}
		f := Random(r, c)
		for i, b := range f.Blocks {
			for _, in := range b.Insts {
				ops[in.Op]++
				conds[in.Cond]++
			}
			terms[b.Term.Kind]++
			for _, to := range b.Term.AppendTargets(nil) {
				if to <= i {
					loops++
				}
			}
		}
		buf := make([]byte, c.BufferSize())
		r.Read(buf)
		a, b := Value(r), Value(r)
		run := func(addr uint64) (uint64, string) {
			data := append([]byte(nil), buf...)
			v, err := f.Interpret([]lir.Region{{Addr: addr, Data: data, Writable: !c.ReadOnly}}, addr, uint64(len(buf)), a, b)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, f)
			}
			return v, string(data)
		}
		v1, m1 := run(0x10000)
		v2, m2 := run(0xc000_1234_5678)
		if v1 != v2 || m1 != m2 {
			t.Fatalf("seed %d: the result depends on the address\n%s", seed, f)
		}
	}
	for op := lir.Mov; op <= lir.Prefetch; op++ {
		if ops[op] < 100 {
			t.Errorf("%v: made %d times", op, ops[op])
		}
	}
	for c := lir.EQ; c <= lir.NONE; c++ {
		if conds[c] < 100 {
			t.Errorf("%v: made %d times", c, conds[c])
		}
	}
	for _, k := range []lir.TermKind{lir.Jump, lir.Branch, lir.Switch, lir.Return} {
		if terms[k] < 100 {
			t.Errorf("terminator %d: made %d times", k, terms[k])
		}
	}
	if loops < 100 {
		t.Errorf("%d ways back", loops)
	}
}
