package plugin_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
)

// docPage is one Markdown file of the documentation.
type docPage struct {
	file  string // from the root of the repository
	prose string // without code
	code  []fenced
}

// fenced is a block of code.
type fenced struct {
	language, text string
}

var (
	fencedPattern = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$") // also in lists
	inlinePattern = regexp.MustCompile("`[^`\n]*`")
	linkPattern   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// readPages reads all that users and contributors are told to read.
func readPages(t testing.TB) (pages []docPage) {
	t.Helper()
	files := []string{"../README.md", "../SECURITY.md", "../CONTRIBUTING.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/adr/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no pages at %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := docPage{file: strings.TrimPrefix(file, "../"), prose: fencedPattern.ReplaceAllString(string(text), "")}
		if strings.Contains(p.prose, "```") {
			t.Errorf("%s has code that this test does not find; begin and end it with ``` at the start of a line", p.file)
		}
		for _, m := range fencedPattern.FindAllStringSubmatch(string(text), -1) {
			p.code = append(p.code, fenced{m[1], m[2]})
		}
		pages = append(pages, p)
	}
	return pages
}

// What the pages show of configuration is what Caddy takes, formatted as caddy
// fmt has it, and can be pasted as it is.
func TestDocsCaddyfiles(t *testing.T) {
	t.Parallel()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range readPages(t) {
		for _, code := range p.code {
			if code.language != "caddyfile" {
				continue
			}
			n++
			dir := t.TempDir()
			adapt := exec.CommandContext(t.Context(), binary, "adapt", "--adapter", "caddyfile", "--config", "-")
			adapt.Dir, adapt.Env = dir, []string{"HOME=" + dir, "CADDY_ADMIN=127.0.0.1:2019"}
			adapt.Stdin = strings.NewReader(code.text)
			out, err := adapt.CombinedOutput()
			if err != nil || strings.Contains(string(out), "not formatted") || !strings.Contains(string(out), `"apps"`) {
				t.Errorf("%s: %v\n%s\n%s", p.file, err, code.text, out)
			}
		}
	}
	if n == 0 {
		t.Error("no page shows a Caddyfile")
	}
}

// A block is one document of JSON, or a line of it each.
func TestDocsJSON(t *testing.T) {
	t.Parallel()
	n := 0
	for _, p := range readPages(t) {
		for _, code := range p.code {
			if code.language != "json" {
				continue
			}
			n++
			d := json.NewDecoder(strings.NewReader(code.text))
			for {
				var v any
				err := d.Decode(&v)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Errorf("%s: %v in\n%s", p.file, err, code.text)
					break
				}
			}
		}
	}
	if n == 0 {
		t.Error("no page shows JSON")
	}
}

// A link within the repository leads to a file, and to a heading where it
// names one.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	n := 0
	for _, p := range readPages(t) {
		for _, m := range linkPattern.FindAllStringSubmatch(inlinePattern.ReplaceAllString(p.prose, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			n++
			path, heading, _ := strings.Cut(m[1], "#")
			target := filepath.Join("..", p.file)
			if path != "" {
				target = filepath.Join("..", filepath.Dir(p.file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", p.file, m[1], err)
				continue
			}
			if heading != "" && !hasHeading(t, target, heading) {
				t.Errorf("%s links to %s, and there is no such heading", p.file, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no page links to another")
	}
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// hasHeading goes by the names that GitHub gives to headings.
func hasHeading(t testing.TB, file, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(fencedPattern.ReplaceAllString(string(text), "")) {
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		name := strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		if strings.HasPrefix(line, "#") && name == anchor {
			return true
		}
	}
	return false
}

// The code that a page shows is that of a file, which other tests run.
func TestDocsShowTheExamples(t *testing.T) {
	t.Parallel()
	shown := make(map[string]bool)
	for _, p := range readPages(t) {
		for _, code := range p.code {
			shown[p.file+" "+code.text] = true
		}
	}
	n := 0
	for dir, page := range map[string]string{"../docs/clients": "docs/key-holders.md", "../docs/backends": "docs/backends.md"} {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			n++
			text, err := os.ReadFile(file)
			if err == nil && !shown[page+" "+string(text)] {
				t.Errorf("%s does not show %s as it is", page, file)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n < 6 {
		t.Errorf("only %d examples", n)
	}
}

var (
	errorRowPattern = regexp.MustCompile(`(?m)^\| (\d{3}) \|([^|]*)\|`)
	codePattern     = regexp.MustCompile("`(\\w+)`")
)

// doorCodes are the codes of the doors to which leaked tokens come, which are no
// reasons of a decision, with their status; "" stands for several.
var doorCodes = map[string]string{"insecure_transport": "403", "invalid_request": "", "too_many_tokens": "429"}

// The pages for clients have the codes of the doors, which are those in their code.
func TestDocsHaveDoorCodes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../caddymodule/leaks/*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "reports.go" { // whose codes are GitHub's to read
			continue
		}
		for _, m := range regexp.MustCompile(`efuse\(w, r, [^,]+, "(\w+)"`).FindAllStringSubmatch(readFile(t, strings.TrimPrefix(file, "../")), -1) {
			used[m[1]] = true
		}
	}
	for _, reason := range access.Reasons() {
		delete(used, reason.String())
	}
	for code := range used {
		if _, ok := doorCodes[code]; !ok {
			t.Errorf("a door answers with %s, which this test does not know", code)
		}
	}
	for code := range doorCodes {
		if !used[code] {
			t.Errorf("no door answers with %s", code)
		}
		for _, page := range []string{"docs/key-holders.md", "docs/reference.md"} {
			if !strings.Contains(readFile(t, page), "`"+code+"`") {
				t.Errorf("%s lacks %s", page, code)
			}
		}
	}
}

// The tables of errors have every code once, with its status, and no other but those
// of the doors.
func TestDocsErrors(t *testing.T) {
	t.Parallel()
	n := 0
	for _, p := range readPages(t) {
		rows := errorRowPattern.FindAllStringSubmatch(p.prose, -1)
		if len(rows) == 0 {
			continue
		}
		n++
		statuses := make(map[string]string)
		for _, row := range rows {
			for _, code := range codePattern.FindAllStringSubmatch(row[2], -1) {
				if statuses[code[1]] != "" {
					t.Errorf("%s has %s twice", p.file, code[1])
				}
				statuses[code[1]] = row[1]
			}
		}
		for _, reason := range access.Reasons() {
			want := strconv.Itoa(reason.Status())
			if got := statuses[reason.String()]; got != want && reason != access.Allowed {
				t.Errorf("%s has %s with status %q, want %s", p.file, reason, got, want)
			}
			delete(statuses, reason.String())
		}
		for code, status := range doorCodes {
			if statuses[code] == status {
				delete(statuses, code)
			}
		}
		if len(statuses) > 0 {
			t.Errorf("%s has codes that there are not: %v", p.file, statuses)
		}
	}
	if n < 3 {
		t.Errorf("%d pages list the errors, want the reference, the design and the page of key holders", n)
	}
}

// A page that is longer is not read.
func TestDocsLength(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		most := 500
		if p.file == "README.md" {
			most = 200
		}
		if n := strings.Count(readFile(t, p.file), "\n"); n > most {
			t.Errorf("%s has %d lines, want %d at most", p.file, n, most)
		}
	}
}
