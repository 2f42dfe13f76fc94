package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes files into a module of its own, and changes to its folder.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	files["go.mod"] = "module example.test/m\n\ngo 1.26\n"
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// faults returns the mutants of a package that is one file: the fault, and the
// line that it makes of the one it is in.
func faults(t *testing.T, text string) []string {
	t.Helper()
	module(t, map[string]string{"m.go": text, "m_test.go": "package m\n"})
	packages, err := load(&options{packages: []string{"."}})
	if err != nil || len(packages) != 1 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	var all []string
	for _, m := range packages[0].mutants() {
		if !packages[0].compiles(&m) {
			continue
		}
		changed := strings.Split(string(m.text()), "\n")[m.at.Line-1]
		all = append(all, m.fault+": "+strings.TrimSpace(changed))
	}
	return all
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // among others, as far as they are not all
	}{
		{"bounds", "func f(a, b int) bool { return a < b }", []string{
			"< becomes <=: func f(a, b int) bool { return a <= b }",
			"< becomes >=: func f(a, b int) bool { return a >= b }",
			"returns the opposite: func f(a, b int) bool { return !(a < b) }",
		}},
		{"condition", "func f(a bool) int {\n\tif a {\n\t\treturn 1\n\t}\n\treturn 2\n}", []string{
			"the condition is turned round: if !(a) {", "the condition always holds: if true || (a) {", "the condition never holds: if false && (a) {",
			"1 becomes 2: return 2", "returns nothing: return *new(int)", "2 becomes 3: return 3",
		}},
		{"either", "func f(a, b bool) bool { return a || b }", []string{
			"|| becomes &&: func f(a, b bool) bool { return a && b }",
			"the left side of || does not matter: func f(a, b bool) bool { return (false && (a)) || b }",
			"the right side of || does not matter: func f(a, b bool) bool { return a || (false && (b)) }",
		}},
		{"arithmetic", "func f(a, b int) int { return a + b%2 }", []string{
			"+ becomes -: func f(a, b int) int { return a - b%2 }", "% becomes *: func f(a, b int) int { return a + b*2 }",
		}},
		{"statements", "var n int\n\nfunc f() {\n\tn = 1\n\tn++\n\tn += 2\n\tg()\n}\n\nfunc g() {}", []string{
			"the statement is left out: ", "++ becomes --: n--", "+= becomes -=: n -= 2",
		}},
		{"what does not compile is no mutant", "func f() string {\n\ta := \"a\"\n\treturn a + \"b\"\n}", []string{}},
		{"loops", "func f(a []int) (n int) {\n\tfor i := 0; i < 3; i++ {\n\t\tn += a[i]\n\t}\n\tfor range a {\n\t\tif n > 5 {\n\t\t\tbreak\n\t\t}\n\t}\n\treturn n\n}", []string{
			"the loop never runs: for i := 0; false; i++ {", "the loop ends at once: for range a { break;", "break becomes continue: continue",
		}},
		{"cases", "func f(a int) int {\n\tswitch {\n\tcase a > 1:\n\t\ta = 2\n\t}\n\treturn max(a, 3)\n}", []string{
			"the condition never holds: case false && (a > 1):", "the case does nothing: ", "max becomes min: return min(a, 3)",
		}},
		{"errors", "func f(a int) (int, error) { return g(a) }\n\nfunc g(a int) (int, error) { return a, nil }", []string{
			"returns nothing: func f(a int) (int, error) { return *new(int), *new(error) }",
		}},
		{"only the error", "func f(a int, err error) (int, error) {\n\treturn a, err\n}", []string{
			"returns nothing: return *new(int), *new(error)", "the error is lost: return a, nil",
		}},
		{"of a function in a function", "func f() int {\n\tg := func() string { return \"a\" }\n\treturn len(g())\n}", []string{
			"returns nothing: g := func() string { return *new(string) }",
		}},
		{"signs", "func f(a int, b bool) (int, bool) { return -a, !b }", []string{
			"- is left out: func f(a int, b bool) (int, bool) { return a, !b }", "! is left out: func f(a int, b bool) (int, bool) { return -a, b }",
		}},
		{"constants", "const a = 0x10\n\nvar b = 0.5", []string{"0x10 becomes 17: const a = 17", "0.5 becomes half as much again: var b = (0.5*1.5)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faults(t, "package m\n\n"+tt.text+"\n")
			for _, want := range tt.want {
				if !slices.Contains(got, want) {
					t.Errorf("no %q among\n%s", want, strings.Join(got, "\n"))
				}
			}
			for _, fault := range got {
				if strings.HasPrefix(fault, "+ becomes -") && tt.name == "what does not compile is no mutant" {
					t.Errorf("a mutant that does not compile: %s", fault)
				}
			}
		})
	}
}

const (
	judged = `package m

func Small(a int) bool {
	return a < 10
}

func Sum(n int) (sum int) {
	for i := 0; i < n; i++ {
		sum += i
	}
	return sum
}

func Untested(a *int) { *a++ }
`
	judge = `package m

import "testing"

func Test(t *testing.T) {
	if !Small(5) || Small(15) {
		t.Error("small")
	}
	if Sum(4) != 6 {
		t.Error("sum")
	}
}
`
	known = "| File | Line | Fault | Why |\n|---|---|---|---|\n| `m.go` | `return a < 10` | `10 becomes 11` | for this test |\n"
)

// TestRun runs real mutants: what tests notice is killed, what hangs is ended,
// what nobody notices is told, and the tree stays as it is.
func TestRun(t *testing.T) {
	module(t, map[string]string{"m.go": judged, "m_test.go": judge, "known.md": known})
	var out strings.Builder
	o := &options{packages: []string{"."}, equivalent: "known.md", parallel: 4, every: 1, patience: time.Second}
	if err := mutate(&out, o, false, 99); err == nil || !strings.Contains(err.Error(), "99.0 %") {
		t.Errorf("with survivors, and 99 %% asked for: %v", err)
	}
	for _, want := range []string{
		"SURVIVED m.go:4:11: < becomes <=: return a < 10\n",
		"NOT COVERED m.go:14:27: ++ becomes --: func Untested(a *int) { *a++ }\n",
		"by the time limit); 2 survived, 2 are not covered, 1 are equivalent, 0 are no programs, 0 were not run\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), ", of them 0 by the time limit") {
		t.Errorf("i++ that becomes i-- was not ended:\n%s", out.String())
	}
	if err := os.WriteFile("survivors.txt", []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	o.again = "survivors.txt"
	if err := mutate(&out, o, false, 0); err != nil || !strings.Contains(out.String(), "\n4 mutants, 0.0 % killed") {
		t.Errorf("the survivors again: %v\n%s", err, out.String())
	}
	if text, err := os.ReadFile("m.go"); err != nil || string(text) != judged {
		t.Errorf("the tree was written to: %v", err)
	}
	if left, _ := filepath.Glob("*"); len(left) != 5 {
		t.Errorf("there are %q", left)
	}
}

// TestRefuses: tests that fail without a fault tell nothing.
func TestRefuses(t *testing.T) {
	module(t, map[string]string{"m.go": judged, "m_test.go": strings.Replace(judge, "!= 6", "!= 7", 1)})
	if err := mutate(new(strings.Builder), &options{packages: []string{"."}, parallel: 1}, false, 0); err == nil || !strings.Contains(err.Error(), "fails as it is") {
		t.Errorf("%v; want that it fails as it is", err)
	}
}

func TestParseDiff(t *testing.T) {
	diff := "diff --git a.go a.go\n--- a.go\n+++ a.go\n@@ -3 +3,2 @@ func f() {\n-x\n+y\n+z\n@@ -9,2 +10,0 @@\n-gone\n-gone\n@@ -20,0 +20 @@\n+one\n--- /dev/null\n+++ b/c.go\n@@ -0,0 +1,1 @@\n+new\n"
	c := parseDiff("/top", diff)
	for name, lines := range map[string][]int{"/top/a.go": {3, 4, 20}, "/top/b/c.go": {1}, "/top/d.go": {}} {
		got := c.of(name)
		for _, line := range lines {
			if !got[line] {
				t.Errorf("%s:%d is not changed", name, line)
			}
		}
		if len(got) != len(lines) || got == nil {
			t.Errorf("%s: changed are %v; want %v", name, got, lines)
		}
	}
	if changes(nil).of("a.go") != nil {
		t.Error("without a commit, not all lines are changed")
	}
}

func TestReadEquivalent(t *testing.T) {
	module(t, map[string]string{
		"good.md": "# Text\n\n| File | Line | Fault | Why |\n|---|---|---|---|\n| `a.go` | `a \\|\\| b` | `any` | all the same |\n| `b.go` | `` s := `x` `` | `1 becomes 2` | so |\n",
		"bad.md":  "| `a.go` | `x` | `any` |  |\n",
	})
	e, err := readEquivalent("good.md")
	if err != nil || !e[equivalentKey("a.go", "\ta || b", "any")] || !e[equivalentKey("b.go", "s := `x`", "1 becomes 2")] || len(e) != 2 {
		t.Errorf("read %v, %v", e, err)
	}
	if _, err := readEquivalent("bad.md"); err == nil {
		t.Error("a row without a reason is read")
	}
	if e, err := readEquivalent("none.md"); err != nil || len(e) != 0 {
		t.Errorf("without a file: %v, %v", e, err)
	}
}

// TestTimeIsOver begins no mutant when the time is over, and says how many it
// left.
func TestTimeIsOver(t *testing.T) {
	module(t, map[string]string{"m.go": judged, "m_test.go": judge})
	var out strings.Builder
	if err := mutate(&out, &options{packages: []string{"."}, parallel: 1, limit: time.Nanosecond}, false, 90); err != nil && !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if strings.Contains(out.String(), " 0 were not run") {
		t.Errorf("got %s", out.String())
	}
}

// Each row of the list is about a line that there is: one that a rename leaves
// behind excuses nothing, and nobody would notice.
func TestEquivalentRowsAreAboutLines(t *testing.T) {
	rows, err := readEquivalent("../../docs/mutants.md")
	if err != nil || len(rows) < 100 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for row := range rows {
		name, line, _ := strings.Cut(row, "\x00")
		line, _, _ = strings.Cut(line, "\x00")
		if !strings.Contains(name, "/") { // of take.lua, made by hand
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.ContainsFunc(strings.Split(string(text), "\n"), func(have string) bool { return strings.TrimSpace(have) == line }) {
			t.Errorf("%s has no line %s", name, line)
		}
	}
}
