package plugin_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// designPage is the contract as built. It names what users, scripts and tests
// rely on, each name as code.
func designPage(t testing.TB) string {
	t.Helper()
	page, err := os.ReadFile("../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Every outcome of a request is on the page, also the one that no table of
// errors has.
func TestDesignHasReasons(t *testing.T) {
	t.Parallel()
	page := designPage(t)
	for _, reason := range access.Reasons() {
		if !strings.Contains(page, "`"+reason.String()+"`") {
			t.Errorf("docs/design.md lacks the reason %s", reason)
		}
	}
}

// acceptedWords are what Caddy says of an option that there is not: the options
// that there are.
var acceptedWords = regexp.MustCompile(`unrecognized [^;]*'no_such_option'[^;]*; accepted: (.*?), at Caddyfile:\d`)

// Every word that the Caddyfile takes is in the contract and in the reference.
// The words are those that Keygate itself lists where it does not know one.
func TestDocsHaveOptions(t *testing.T) {
	t.Parallel()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{
		"docs/design.md":    section(t, designPage(t), "Configuration"),
		"docs/reference.md": readFile(t, "docs/reference.md"),
	}
	for name, caddyfile := range map[string]string{
		"global":  "{\n keygate {\n no_such_option\n }\n}",
		"store":   "{\n keygate {\n store no_such_option\n }\n}",
		"redis":   "{\n keygate {\n store redis localhost:6379 {\n no_such_option\n }\n }\n}",
		"tls":     "{\n keygate {\n store redis localhost:6379 {\n tls {\n no_such_option\n }\n }\n }\n}",
		"handler": ":80 {\n keygate {\n no_such_option\n }\n}",
		"route":   ":80 {\n keygate {\n public GET /a no_such_option\n }\n}",
		"openapi": ":80 {\n keygate {\n openapi a.yaml {\n no_such_option\n }\n }\n}",
		"console": ":80 {\n keygate_console {\n workspace acme\n no_such_option\n }\n}",
		"cors":    ":80 {\n keygate {\n cors {\n no_such_option\n }\n }\n}",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(caddyfile+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			adapt := exec.CommandContext(t.Context(), binary, "adapt", "--config", "Caddyfile")
			adapt.Dir, adapt.Env = dir, []string{"HOME=" + dir}
			out, _ := adapt.CombinedOutput()
			accepted := acceptedWords.FindSubmatch(out)
			if accepted == nil {
				t.Fatalf("no options are listed:\n%s", out)
			}
			for word := range strings.SplitSeq(string(accepted[1]), ", ") {
				word, _, _ = strings.Cut(word, "<") // "cost=<n>"
				for page, text := range pages {
					if !hasWord(text, word) {
						t.Errorf("%s lacks %s", page, word)
					}
				}
			}
		})
	}
}

// hasWord reports whether code in a text has a word.
func hasWord(text, word string) bool {
	end := `\b`
	if strings.HasSuffix(word, "=") {
		end = ""
	}
	return regexp.MustCompile("`[^`\n]*\\b" + regexp.QuoteMeta(word) + end).MatchString(text)
}

var (
	adminPath      = regexp.MustCompile(`^  (/keygate/\S+):$`)
	adminMethod    = regexp.MustCompile(`^    (get|post|put|patch|delete):$`)
	designedAction = regexp.MustCompile("`([A-Z]+ /keygate/[^?`]*)(?:\\?[^`]*)?`")
	listedAction   = regexp.MustCompile(`(?m)^([A-Z]+) +(/keygate/[^?\s]*)((?:(?:\?\S*)? · /\S+)*)`)
)

// The contract and the page of commands have the operations of openapi.yaml,
// which is held against the admin API itself, and no others.
func TestDocsHaveAdminAPI(t *testing.T) {
	t.Parallel()
	var served []string
	var path string
	for line := range strings.Lines(readFile(t, "adminapi/openapi.yaml")) {
		line = strings.TrimRight(line, "\n")
		if m := adminPath.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := adminMethod.FindStringSubmatch(line); m != nil {
			served = append(served, strings.ToUpper(m[1])+" "+path)
		}
	}
	var designed, listed []string
	table, _, _ := strings.Cut(section(t, designPage(t), "Administration"), "\n- ")
	for _, m := range designedAction.FindAllStringSubmatch(table, -1) {
		designed = append(designed, m[1])
	}
	for _, m := range listedAction.FindAllStringSubmatch(section(t, readFile(t, "docs/commands.md"), "Admin API"), -1) {
		listed = append(listed, m[1]+" "+m[2])
		for _, last := range strings.Split(m[3], " · ")[1:] { // /revoke · /disable
			listed = append(listed, m[1]+" "+m[2][:strings.LastIndex(m[2], "/")]+last)
		}
	}
	slices.Sort(served)
	for page, shown := range map[string][]string{"docs/design.md": designed, "docs/commands.md": listed} {
		slices.Sort(shown)
		if len(served) == 0 || !slices.Equal(served, shown) {
			t.Errorf("openapi.yaml has\n%s\n%s has\n%s", strings.Join(served, "\n"), page, strings.Join(shown, "\n"))
		}
	}
}

// section returns what stands below a heading of a page.
func section(t testing.TB, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

var subcommandLine = regexp.MustCompile(`(?m)^  ([a-z]+) {2,}\S`)

// Every subcommand is in the contract and on the page of commands.
func TestDocsHaveSubcommands(t *testing.T) {
	t.Parallel()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	help := exec.CommandContext(t.Context(), binary, "keygate", "--help")
	help.Env = []string{"HOME=" + t.TempDir()}
	out, err := help.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	found := subcommandLine.FindAllStringSubmatch(list, -1)
	if len(found) == 0 {
		t.Fatalf("no subcommands in\n%s", out)
	}
	designed, listed := section(t, designPage(t), "Administration"), section(t, readFile(t, "docs/commands.md"), "Commands")
	for _, m := range found {
		if !strings.Contains(designed, "`"+m[1]+"`") {
			t.Errorf("docs/design.md lacks the subcommand %s", m[1])
		}
		if !regexp.MustCompile("`" + m[1] + "[` ]").MatchString(listed) {
			t.Errorf("docs/commands.md lacks the subcommand %s", m[1])
		}
	}
}

var flagLine = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)`)

// ownFlags are the flags of a subcommand, but for those of all.
func ownFlags(t *testing.T, binary, subcommand string) (flags []string) {
	t.Helper()
	help := exec.CommandContext(t.Context(), binary, "keygate", subcommand, "--help")
	help.Env = []string{"HOME=" + t.TempDir()}
	out, err := help.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "\nFlags:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range flagLine.FindAllStringSubmatch(list, -1) {
		if m[1] != "help" && m[1] != "quiet" {
			flags = append(flags, m[1])
		}
	}
	if len(flags) < 10 {
		t.Fatalf("the flags of %s are %q in\n%s", subcommand, flags, out)
	}
	return flags
}

// Every flag of a key is on the page of commands: those of create in its table,
// those that update has besides in its row.
func TestDocsHaveKeyFlags(t *testing.T) {
	t.Parallel()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	page := readFile(t, "docs/commands.md")
	table, row := section(t, page, "Keys"), regexp.MustCompile("(?m)^\\| `update .*$").FindString(section(t, page, "Commands"))
	created := ownFlags(t, binary, "create")
	for _, flag := range created {
		if !regexp.MustCompile("(?m)^\\| [^|]*`--" + flag + "`").MatchString(table) {
			t.Errorf("the table of docs/commands.md lacks --%s", flag)
		}
	}
	for _, flag := range ownFlags(t, binary, "update") {
		if !slices.Contains(created, flag) && !strings.Contains(row, "`--"+flag+"`") {
			t.Errorf("the row of update in docs/commands.md lacks --%s", flag)
		}
	}
}

// Every flag that says which keys are listed is on the page of commands, and every
// parameter in the contract.
func TestDocsHaveListFlags(t *testing.T) {
	t.Parallel()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	page := readFile(t, "docs/commands.md")
	finding := section(t, page, "Finding keys") + section(t, page, "Commands")
	request := regexp.MustCompile(`(?m)^\| .GET /keygate/keys\?.*$`).FindString(section(t, designPage(t), "Administration"))
	for _, flag := range ownFlags(t, binary, "list") {
		if !regexp.MustCompile("[`\\[]--" + flag + "[` ]").MatchString(finding) {
			t.Errorf("docs/commands.md lacks --%s of list", flag)
		}
		if parameter := strings.ReplaceAll(flag, "-", "_"); !regexp.MustCompile("[?&]" + parameter + "=").MatchString(request) {
			t.Errorf("docs/design.md lacks the parameter %s in %s", parameter, request)
		}
	}
}

// The contract shows a key with every member, in the order in which they are
// sent, and says of every setting what is accepted.
func TestDesignHasEveryField(t *testing.T) {
	t.Parallel()
	text := section(t, designPage(t), "The key")
	_, example, _ := strings.Cut(text, "```json\n{\"id\"")
	example, _, _ = strings.Cut(`{"id"`+example, "```")
	var record apikey.Record
	if err := json.Unmarshal([]byte(example), &record); err != nil {
		t.Fatalf("%v in\n%s", err, example)
	}
	var shown bytes.Buffer
	if err := json.Compact(&shown, []byte(example)); err != nil {
		t.Fatal(err)
	}
	if sent, err := json.Marshal(record); err != nil || string(sent) != shown.String() {
		t.Errorf("docs/design.md shows\n%s\nsent is\n%s, %v", &shown, sent, err)
	}
	for field := range reflect.TypeFor[adminapi.KeyRequest]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !regexp.MustCompile("(?m)^\\| [^|]*`"+name+"[`.]").MatchString(text) && name != "allow_unknown_scope" { // which is no setting
			t.Errorf("the table of docs/design.md lacks %s", name)
		}
	}
}

var (
	layoutFolder = regexp.MustCompile("`([a-z_/]+)`")
	codeFile     = regexp.MustCompile("`((?:[a-z]+/)*[a-z]+\\.go)`")
)

// The page has every room of the code: each folder with Go code, but for those
// within internal, bench, docs and the tests, which are one room each.
func TestDesignHasLayout(t *testing.T) {
	t.Parallel()
	rows, _, _ := strings.Cut(section(t, designPage(t), "Layout"), "\n```")
	var rooms []string
	for row := range strings.Lines(rows) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range layoutFolder.FindAllStringSubmatch(first, -1) {
			rooms = append(rooms, m[1])
		}
	}
	if !slices.Contains(rooms, "caddymodule") {
		t.Fatalf("the rooms are %q", rooms)
	}
	for _, room := range rooms {
		if _, err := os.Stat(filepath.Join("..", room)); err != nil {
			t.Errorf("docs/design.md has a room that there is not: %v", err)
		}
	}
	for _, pattern := range []string{"../*/*.go", "../access/*/*.go", "../caddymodule/*/*.go", "../command/*/*.go", "../keystore/*/*.go", "../ratelimit/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			room, _ := filepath.Rel("..", filepath.Dir(file))
			if room = filepath.ToSlash(room); !slices.Contains(rooms, room) && !strings.Contains(rows, "`"+room+"`") {
				t.Errorf("docs/design.md lacks the room %s", room)
				break
			}
		}
	}
}

// The files that a request and a change are followed through are there.
func TestDesignFollowsFiles(t *testing.T) {
	t.Parallel()
	page := designPage(t)
	text := section(t, page, "One request through the code") + section(t, page, "One change through the code")
	files := codeFile.FindAllStringSubmatch(text, -1)
	if len(files) < 20 {
		t.Errorf("only %d files are named", len(files))
	}
	for _, m := range files {
		found := false
		for _, folder := range []string{"", "caddymodule", "adminapi", "command", "access", "apikey", "keystore", "ratelimit"} {
			_, err := os.Stat(filepath.Join("..", folder, m[1]))
			found = found || err == nil
		}
		if !found {
			t.Errorf("docs/design.md names %s, and there is no such file", m[1])
		}
	}
}
