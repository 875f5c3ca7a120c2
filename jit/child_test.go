package jit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childVariable names, in a test's child process, the function it is to run.
const childVariable = "BPFJIT_TEST_CHILD"

// children is what a child process can be asked to do: things that change the
// process for good, or end it.
var children = map[string]func() error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild runs one of children in a process of its own.
func runChild(t *testing.T, name string, env ...string) (output string, err error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), childVariable+"="+name), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
