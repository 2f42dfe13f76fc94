package plugin_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/tokenscan"
)

// leakRules are the patterns of deploy/leaks, each with the forms of a separator
// that it knows. Go's expressions are those of gitleaks and TruffleHog; GitHub's
// are the same as far as they go here.
func leakRules(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	field := func(file, pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(readFile(t, file))
		if m == nil {
			t.Fatalf("%s has no %s", file, pattern)
		}
		return m[1]
	}
	const github = "deploy/leaks/github.txt"
	return map[string]*regexp.Regexp{
		"gitleaks":   regexp.MustCompile(field("deploy/leaks/gitleaks.toml", `(?m)^regex = '''(.*)'''$`)),
		"TruffleHog": regexp.MustCompile(field("deploy/leaks/trufflehog.yaml", `(?m)^      token: '(.*)'$`)),
		"GitHub": regexp.MustCompile(`(?:` + field(github, `(?m)^Before secret: +(.*)$`) + `)(` + field(github, `(?m)^Secret format: +(.*)$`) +
			`)(?:` + field(github, `(?m)^After secret: +(.*)$`) + `)`),
	}
}

// The rules find a token in every form in which the pages show one, and nothing
// that has another form.
func TestLeakRules(t *testing.T) {
	t.Parallel()
	token, _, _ := apikey.Generate("patra")
	with := func(separator string) string { return strings.ReplaceAll(token, "_", separator) }
	for name, rule := range leakRules(t) {
		for _, form := range []string{"@", `"@"`, "'@'", "`@`", "Bearer @\r\n", "X-API-Key: @", `{"key":{},"token":"@"}`, `"a\n@\n"`, `\"@\"`, "key=@&a=b", "%22@%22", `\u0022@\u0022`, "<b>@</b>", "@.", "(@)", "a,@,b", "\t@\t"} {
			if m := rule.FindStringSubmatch(strings.ReplaceAll(form, "@", token)); m == nil || m[1] != token {
				t.Errorf("%s does not find %s", name, form)
			}
		}
		for _, separator := range []string{"%5F", "%5f", `\u005f`, `\u005F`, "&#95;"} {
			escaped := with(separator)
			if m := rule.FindStringSubmatch("=" + escaped + ";"); name != "GitHub" && (m == nil || m[1] != escaped) {
				t.Errorf("%s does not find a token with %s", name, separator)
			}
		}
		for _, other := range []string{token[:56], token + "x", token[1:], with("-"), with(""), strings.ToUpper(token), token[:18], token[:30] + "-" + token[31:]} {
			if rule.MatchString("a " + other + " b") {
				t.Errorf("%s finds %d characters that are no token", name, len(other))
			}
		}
		for _, page := range readPages(t) {
			var found, want []string
			text := readFile(t, page.file)
			for rest := text; ; { // what is behind one may be before the next
				m := rule.FindStringSubmatchIndex(rest)
				if m == nil {
					break
				}
				found = append(found, rest[m[2]:m[3]])
				rest = rest[m[3]:]
			}
			for _, f := range tokenscan.In(text) {
				want = append(want, f.Token())
			}
			if !slices.Equal(found, want) {
				t.Errorf("%s finds %d tokens in %s, want %d", name, len(found), page.file, len(want))
			}
		}
	}
}
