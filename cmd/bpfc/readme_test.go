package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReadme runs the README's examples of the command: what stands indented
// below a line "$ bpfc ..." is what it prints. Machine code is not among them,
// since it is another on another processor.
func TestReadme(t *testing.T) {
	needNative(t)
	need(t, "sh")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var calls [][2]string // command line, output
	for line := range strings.Lines(string(readme)) {
		line, indented := strings.CutPrefix(line, "    ")
		switch last := len(calls) - 1; {
		case indented && strings.HasPrefix(line, "$ bpfc "):
			calls = append(calls, [2]string{strings.TrimPrefix(strings.TrimSpace(line), "$ ")})
		case indented && last >= 0 && !strings.HasSuffix(calls[last][1], "\x00"):
			calls[last][1] += line
		case last >= 0 && !strings.HasSuffix(calls[last][1], "\x00"):
			calls[last][1] += "\x00" // the example is over
		}
	}
	if len(calls) < 5 {
		t.Fatalf("%d examples", len(calls))
	}
	for _, call := range calls {
		cmd := exec.Command("sh", "-c", `bpfc() { "`+os.Args[0]+`" "$@"; }; `+call[0])
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), asCommand+"=1")
		out, _ := cmd.CombinedOutput() // examples of errors fail
		if want := strings.TrimSuffix(call[1], "\x00"); string(out) != want {
			t.Errorf("%s\nprints\n%s\nREADME says\n%s", call[0], out, want)
		}
	}
}
