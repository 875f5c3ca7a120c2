package pcapfilter

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestKnownDifferences checks each entry of the list by its examples: our
// verdict on the packet, and that the judge differs, for no other reason, if its
// release is one the entry is for, and agrees if not.
func TestKnownDifferences(t *testing.T) {
	for _, d := range knownDifferences {
		if d.upstream == "" || d.through != "" && d.through.before(d.from) {
			t.Errorf("%s: not said when and why", d.name)
		}
		for _, x := range d.shows {
			data, err := hex.DecodeString(x.packet)
			if err != nil {
				t.Fatal(err)
			}
			o, err := compileOwn(x.link, x.expr)
			if err != nil {
				t.Fatal(err)
			}
			if o.err != nil {
				if d.refused == nil {
					t.Errorf("%s: %q: %v", d.name, x.expr, o.err)
				}
				continue
			}
			if got, err := o.agree(packet{data, len(data)}); err != nil || got != 0 != x.match {
				t.Errorf("%s: %v: %q: %d, %v on %x", d.name, x.link, x.expr, got, err, data)
			}
		}
	}
	t.Run("judge", func(t *testing.T) {
		j := newJudge(t)
		for _, d := range knownDifferences {
			for _, x := range d.shows {
				d.show(t, j, x)
			}
		}
	})
}

func (d *difference) show(t *testing.T, j *judge, x example) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(x.link.Number())))
	all := corpus(t, x.link, r)
	data, _ := hex.DecodeString(x.packet)
	sample := []packet{{data, len(data)}}
	if !d.applies(j, x.link) {
		sample = append(sample, all...)
	}
	_, known, err := j.check(x.link, x.expr, sample, append(all, sample...))
	switch {
	case err != nil:
		t.Errorf("%s: %v: %q: %v", d.name, x.link, x.expr, err)
	case d.applies(j, x.link) && !slices.Contains(known, d):
		t.Errorf("%s: %v: %q: libpcap %s agrees", d.name, x.link, x.expr, j.version)
		if _, known, _ := j.check(x.link, x.expr, all, all); slices.Contains(known, d) {
			t.Errorf("on %x it does not", shrink(t, j, x, all))
		}
	case !d.applies(j, x.link) && slices.Contains(known, d):
		t.Errorf("%s: %v: %q: still in libpcap %s", d.name, x.link, x.expr, j.version)
	}
}

// TestDocumented checks that the package's documentation names each difference
// with the releases that have it.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Join(strings.Fields(strings.ReplaceAll(string(text), "\n//", "\n")), " ")
	for _, d := range knownDifferences {
		when := "all"
		switch {
		case d.from != "" && d.through != "":
			when = fmt.Sprintf("from %s until %s", d.from, d.through)
		case d.from != "":
			when = "from " + string(d.from)
		case d.through != "":
			when = "until " + string(d.through)
		}
		if !regexp.MustCompile(`\b` + d.name + `(, [-a-z]+)* \((each )?` + regexp.QuoteMeta(when) + `\)`).MatchString(doc) {
			t.Errorf("doc.go does not say %q: %s", d.name, when)
		}
	}
}

// shrink finds a smallest packet on which we differ from the judge.
func shrink(t *testing.T, j *judge, x example, all []packet) []byte {
	o, err := compileOwn(x.link, x.expr)
	if err != nil {
		t.Fatal(err)
	}
	a, err := j.ask(x.link, x.expr)
	if err != nil {
		t.Fatal(err)
	}
	differs := func(b []byte) bool { return o.differ(x.link, a, []packet{{b, len(b)}}) != nil }
	var best []byte
	for _, p := range all {
		if !differs(p.data) || best != nil && len(p.data) >= len(best) {
			continue
		}
		best = slices.Clone(p.data)
	}
	for len(best) > 0 && differs(best[:len(best)-1]) {
		best = best[:len(best)-1]
	}
	for i, b := range best {
		if best[i] = 0; !differs(best) {
			best[i] = b
		}
	}
	return best
}
