package main

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/cpu"
)

var updateReadme = flag.Bool("update-readme", false, "TestReadme: write what the README's examples print into it")

const readmeFile = "../../README.md"

// TestReadme runs the README's examples of the command: what stands indented
// below a line "$ bpfc ..." is what it prints. After a change that is meant,
//
//	go test ./cmd/bpfc -run TestReadme -args -update-readme
//
// puts the new output there.
func TestReadme(t *testing.T) {
	need(t, "sh")
	const indent = "    "
	var text strings.Builder // the README with what the examples print today
	lines := strings.SplitAfter(read(t, readmeFile), "\n")
	examples := 0
	for len(lines) > 0 {
		line := lines[0]
		lines = lines[1:]
		text.WriteString(line)
		call, ok := strings.CutPrefix(line, indent+"$ ")
		if !ok || !strings.HasPrefix(call, "bpfc ") {
			continue
		}
		n := 0
		for strings.HasPrefix(lines[n], indent) && !strings.HasPrefix(lines[n], indent+"$ ") {
			n++
		}
		want := strings.Join(lines[:n], "")
		lines = lines[n:]
		got := want
		t.Run(strings.TrimSpace(call), func(t *testing.T) {
			needSame(t, call)
			got = ""
			for line := range strings.Lines(shell(call)) {
				got += indent + line
			}
			if got != want && !*updateReadme {
				t.Errorf("prints\n%sREADME says\n%s", got, want)
			}
		})
		text.WriteString(got)
		examples++
	}
	if examples < 10 {
		t.Errorf("%d examples: the README is not read as it is written", examples)
	}
	if *updateReadme {
		if err := os.WriteFile(readmeFile, []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// needSame skips examples that print something else, or nothing, on another
// machine than the README's.
func needSame(t *testing.T, call string) {
	t.Helper()
	if strings.Contains(call, " -verify ") {
		needNative(t)
	}
	if strings.Contains(call, " -dump ") && !cpu.X86.HasBMI2 {
		t.Skip("the README shows the code for an x86-64 with BMI2, which this machine is not")
	}
}

// shell is what a command line prints that calls bpfc.
func shell(call string) string {
	cmd := exec.Command("sh", "-c", `bpfc() { "`+os.Args[0]+`" "$@"; }; `+call)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, _ := cmd.CombinedOutput() // examples of errors fail
	return string(out)
}
