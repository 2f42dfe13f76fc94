package openapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/socialpatra/keygate/access/openapi"
)

// What aliases repeat counts wherever it is repeated.
func TestRepetitionIsBounded(t *testing.T) {
	many := lines(10_000, "x-%d: 1, ")
	key := "components: {securitySchemes: {key: {type: http, scheme: bearer}}}\n"
	for name, tt := range map[string]struct{ text, line string }{
		"keys of paths": {"x: &x\n  {\n" + many + "\nget: {security: []}}\npaths:\n" + lines(300, "  /%d: *x\n"), "2"},
		"lists to merge": {"e: &e {}\nl: &l [" + strings.Repeat("*e, ", 10_000) + "*e]\npaths:\n" +
			lines(300, "  /%d: {<<: *l, get: {security: []}}\n"), "3"},
		"merged keys":           {"x: &x {" + many + "}\npaths:\n" + lines(300, "  /%d: {<<: *x, get: {security: []}}\n"), "108"},
		"requirements":          {"components: {securitySchemes: {" + lines(1000, "s%d: {type: http, scheme: bearer}, ") + "}}\nx: &x {" + lines(1000, "s%d: [], ") + "}\nsecurity: [" + strings.Repeat("*x, ", 3000) + "*x]\npaths: {/a: {get: {}}}\n", "3"},
		"scopes of requirement": {key + "x: &x [" + lines(10_000, "a:s%d, ") + "]\nsecurity: [" + strings.Repeat("{key: *x}, ", 300) + "{key: *x}]\npaths: {/a: {get: {}}}\n", "3"},
		"declared scopes": {"x: &x {" + many + "}\ncomponents: {securitySchemes: {key: {type: oauth2, flows: {" + lines(300, "f%d: {scopes: *x}, ") + "}}}}\n" +
			"paths: {/a: {get: {security: [{key: []}]}}}\n", "2"},
		"servers": {"x: &x [" + strings.Repeat("{url: /v1}, ", 10_000) + "{url: /v1}]\npaths:\n" + lines(300, "  /%d: {servers: *x, get: {security: []}}\n"), "2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openapi.Read(write(t, one("openapi: 3.1.0\n"+tt.text)), openapi.Options{})
			e, ok := errors.AsType[*openapi.Error](err)
			if !ok || e.Problem != "makes the document too large, with all that aliases, merge keys and $refs repeat; accepted: 2097152 keys and items that matter" {
				t.Fatalf("Read = %v", err)
			}
			if e.Where != "openapi.yaml:"+tt.line {
				t.Errorf("told of %s, want line %s", e.Where, tt.line)
			}
		})
	}
}

// An error in the text is told in its line, whatever the character; but for those
// that end a line to YAML alone (YAML 1.1 §5.4).
func TestLinesOfBadCharacters(t *testing.T) {
	refused := 0
	check := func(bad string) {
		for _, after := range []string{"", "\nc: 1\nd: 1\n"} {
			text := "a: ä\n\nb: x" + bad + "y" + after
			_, err := openapi.Read(write(t, one(text)), openapi.Options{})
			e, ok := errors.AsType[*openapi.Error](err)
			if !ok {
				t.Fatalf("%q: %v", text, err)
			}
			if strings.HasPrefix(e.Problem, "is not YAML: ") {
				refused++
				if e.Where != "openapi.yaml:3" {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	}
	for r := range rune(0xa1) {
		if r != '\n' && r != '\r' && r != '\u0085' {
			check(string(r))
		}
	}
	for _, r := range []rune{'\ufdd0', '\ufeff', '\ufffd', '\ufffe', '\uffff', '\U0001f600', utf8.MaxRune} {
		check(string(r))
	}
	for _, bytes := range []string{"\x80", "\xc3", "\xff", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"} {
		check(bytes)
	}
	if refused < 2*(30+32+7) {
		t.Errorf("only %d of them were refused", refused)
	}
}

// A base path begins with a slash and has at most 1024 bytes, and so has a URL
// once its variables are replaced.
func TestBasePaths(t *testing.T) {
	for path, want := range map[string]bool{"/": true, "/v1": true, "/v1/": true, "v1": false, "*": false, "https://example.com/": false} {
		if err := openapi.CheckBasePath(path); (err == nil) != want {
			t.Errorf("CheckBasePath(%q) = %v", path, err)
		}
	}
	for n := 1; n < 1030; n++ {
		path := "/" + strings.Repeat("a", n-1)
		if err := openapi.CheckBasePath(path); (err == nil) != (n <= 1024) {
			t.Errorf("CheckBasePath of %d bytes = %v", n, err)
		}
	}
	for n := 1020; n < 1030; n++ {
		for _, url := range []string{
			"{url: /" + strings.Repeat("a", n-1) + "}",
			"{url: '/{v}" + strings.Repeat("a", n-9) + "', variables: {v: {default: abcdefgh}}}",
			"{url: '/" + strings.Repeat("a", n-9) + "{v}', variables: {v: {default: abcdefgh}}}",
		} {
			_, err := openapi.Read(write(t, one("openapi: 3.1.0\nservers: ["+url+"]\npaths: {/a: {get: {security: []}}}\n")), openapi.Options{})
			if (err == nil) != (n <= 1024) {
				t.Errorf("a URL of %d bytes: %v", n, err)
			}
		}
	}
}

// A cost is a whole number, 1 to 1,000.
func TestEveryCost(t *testing.T) {
	paths := func(from, to int) string {
		var all []string
		for cost := from; cost <= to; cost++ {
			all = append(all, fmt.Sprintf(`"/%d": {"get": {"security": [], "x-keygate-cost": %[1]d}}`, cost))
		}
		return `{"openapi": "3.1.0", "paths": {` + strings.Join(all, ", ") + `}}`
	}
	d := mustRead(t, map[string]string{"openapi.json": paths(1, 1000)}, openapi.Options{})
	for i := range d.Operations {
		if got := d.Operations[i].Route.Cost; got != i+1 {
			t.Errorf("cost %d became %d", i+1, got)
		}
	}
	for _, cost := range []int{-1000, -2, -1, 0, 1001, 1002, 10_000} {
		if _, err := openapi.Read(write(t, map[string]string{"openapi.json": paths(cost, cost)}), openapi.Options{}); err == nil {
			t.Errorf("cost %d is accepted", cost)
		}
	}
}

// Each error is told of the place that has it, in whatever the $ref of an operation
// or of a path refers to.
func TestErrorsOfPlaces(t *testing.T) {
	const declared = "components: {securitySchemes: {key: {type: http, scheme: bearer}}}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"servers of an operation, twice": {
			"paths:\n  /a:\n    get:\n      $ref: '#/x'\n      servers: []\nx: {servers: []}\n",
			`openapi.yaml:6: "servers" is also in what the $ref refers to, at openapi.yaml:7; accepted: one of them`,
		},
		"servers of an operation": {"paths:\n  /a:\n    get:\n      servers: 1\n", "openapi.yaml:5: servers is no list"},
		"servers of a path":       {"paths:\n  /a:\n    servers: 1\n    get: {}\n", "openapi.yaml:4: servers is no list"},
		"servers":                 {"servers: 1\npaths: {/a: {get: {}}}\n", "openapi.yaml:2: servers is no list"},
		"security of one of two":  {declared + "security:\n  - key: []\n  - [key]\npaths: {/a: {get: {}}}\n", "openapi.yaml:5: security requirement is no mapping of keys to values"},
		"security, a text":        {declared + "security: key\npaths: {/a: {get: {}}}\n", "openapi.yaml:3: security is no list"},
		"requirement, a list":     {declared + "paths:\n  /a:\n    get: {security: [[key]]}\n", "openapi.yaml:5: security requirement is no mapping of keys to values"},
		"requirement, a number":   {declared + "paths:\n  /a:\n    get: {security: [7]}\n", "openapi.yaml:5: security requirement is no mapping of keys to values"},
		"requirement, an alias":   {declared + "x: &x key\npaths:\n  /a:\n    get: {security: [*x]}\n", "openapi.yaml:3: security requirement is no mapping of keys to values"},
		"merge of a list":         {"paths:\n  /a:\n    <<: [[]]\n    get: {}\n", "openapi.yaml:4: << is no mapping of keys to values"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, one("openapi: 3.1.0\n"+tt.text), openapi.Options{}, tt.want) })
	}
}
