package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

const testdata = "../../testdata"

// asCommand in the environment makes the test binary be the command.
const asCommand = "BPFC_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the command as a process of its own.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// result is what a call gives.
type result struct {
	stdout, stderr string
	status         int
}

// call runs the command on input.
func call(input string, args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(args, strings.NewReader(input), &stdout, &stderr)
	return result{stdout.String(), stderr.String(), status}
}

// done is the standard output of a call that has to succeed.
func done(t *testing.T, input string, args ...string) string {
	t.Helper()
	r := call(input, args...)
	if r.status != cli.Done || r.stderr != "" {
		t.Fatalf("bpfc %q: status %d: %s", args, r.status, r.stderr)
	}
	return r.stdout
}

// failed is the message of a call that has to fail.
func failed(t *testing.T, status int, input string, args ...string) string {
	t.Helper()
	r := call(input, args...)
	if r.status != status {
		t.Fatalf("bpfc %q: status %d, want %d; %s", args, r.status, status, r.stderr)
	}
	if !strings.HasPrefix(r.stderr, "bpfc: ") || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "\n") {
		t.Fatalf("bpfc %q: message is not one line that begins with the command's name: %q", args, r.stderr)
	}
	return strings.TrimSpace(strings.TrimPrefix(r.stderr, "bpfc: "))
}

// glob is the files of testdata that a pattern names; there have to be some.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// file makes a file with a content.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func needNative(t *testing.T) {
	t.Helper()
	if err := jit.Available(); err != nil {
		t.Skipf("no native code here: %v", err)
	}
}

// need looks for a tool that serves as a judge.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed: nothing to compare with", tool)
	}
}
