//go:build amd64

package amd64

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/amd64/internal/run"
	"github.com/bpfjit/bpfjit/lir/lirtest"

	"golang.org/x/sys/cpu"
)

// hostFeatures are the sets of features that the machine of the test has.
func hostFeatures() []Features {
	var all []Features
	for i := range 4 {
		f := Features{BMI2: i&1 != 0, MOVBE: i&2 != 0}
		if (!f.BMI2 || cpu.X86.HasBMI2) && (!f.MOVBE || hasMOVBE()) {
			all = append(all, f)
		}
	}
	return all
}

// hasMOVBE: every processor with BMI2 has it (Haswell and Zen on), which is
// enough for a test.
func hasMOVBE() bool { return cpu.X86.HasBMI2 }

// machine runs functions natively and compares with the interpreter.
type machine struct {
	code *run.Code
	mem  *run.Guarded
	want *lir.Interpreter // of the function that code is of
}

func newMachine(t testing.TB) *machine {
	code, err := run.NewCode(1 << 22)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := run.NewGuarded()
	if err != nil {
		t.Fatal(err)
	}
	return &machine{code: code, mem: mem}
}

// same compiles f, runs it with buf at parameter 0, and reports how result or
// memory differ from what the interpreter makes.
func (m *machine) same(f *lir.Func, feat Features, buf []byte, atEnd bool, args [4]uint64) error {
	code, err := Compile(f, feat)
	if err != nil {
		return err
	}
	if err := m.code.Set(code.Bytes); err != nil {
		return err
	}
	if m.want, err = lir.NewInterpreter(f); err != nil {
		return err
	}
	return m.sameAgain(f, buf, atEnd, args)
}

// sameAgain runs the code of f, compiled last, once more.
func (m *machine) sameAgain(f *lir.Func, buf []byte, atEnd bool, args [4]uint64) error {
	got := m.mem.Place(buf, atEnd)
	if len(buf) > 0 {
		args[0] = run.Address(got)
	}
	want := append([]byte(nil), buf...)
	wantResult, err := m.want.Run([]lir.Region{{Addr: args[0], Data: want, Writable: true}}, args[:len(f.Params)]...)
	if err != nil {
		return err
	}
	result, err := m.code.Call(args)
	if err != nil {
		return err
	}
	if result != wantResult {
		return fmt.Errorf("result %#x, want %#x", result, wantResult)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("memory %x, want %x", got, want)
	}
	return nil
}

func (m *machine) check(t *testing.T, f *lir.Func, buf []byte, args ...uint64) {
	t.Helper()
	for _, feat := range hostFeatures() {
		for _, atEnd := range []bool{false, true} {
			var a [4]uint64
			copy(a[:], args)
			if err := m.same(f, feat, buf, atEnd, a); err != nil {
				t.Fatalf("%+v, args %#x: %v\n%s%s", feat, args, err, f, listing(f, feat))
			}
		}
	}
}

// Random functions do natively what the interpreter says.
func TestRandom(t *testing.T) {
	n := int64(4000)
	if testing.Short() {
		n = 400
	}
	m := newMachine(t)
	features := hostFeatures()
	for seed := range n {
		r := rand.New(rand.NewSource(seed))
		var c lirtest.Config
		switch seed % 4 {
		case 1:
			c.Vars = 40
		case 2:
			c.Vars, c.Insts, c.Blocks = 14, 4, 40
		case 3:
			c.Vars, c.Blocks = 2, 3
		}
		f := lirtest.Random(r, c)
		buf := make([]byte, c.BufferSize())
		feat := features[r.Intn(len(features))]
		for i := range 4 {
			r.Read(buf)
			args := [4]uint64{0, uint64(len(buf)), lirtest.Value(r), lirtest.Value(r)}
			var err error
			if i == 0 {
				err = m.same(f, feat, buf, false, args)
			} else {
				err = m.sameAgain(f, buf, i&1 == 1, args)
			}
			if err != nil {
				t.Fatalf("seed %d, %+v, args %#x, memory %x: %v\n%s%s", seed, feat, args, buf, err, f, listing(f, feat))
			}
		}
	}
}
