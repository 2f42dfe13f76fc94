package adminapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/socialpatra/keygate/internal/apitest"
)

const importedID = "7Hk2Qp9aX3bC"

// fullBodies are bodies of every operation that has one, with every member
// that it can have, and the struct that each is read into.
func fullBodies(id string) map[string]struct {
	body string
	into any
} {
	settings := `"name":"n","description":"d","scopes":["posts:read"],"expires_in_days":7,` +
		`"limits":{"per_minute":9,"per_day":9,"burst":9},"allowed_origins":["https://a.example"],"allowed_ips":["203.0.113.7"],"allow_unknown_scope":true`
	type body = struct {
		body string
		into any
	}
	return map[string]body{
		"POST /keygate/keys":                                            {`{"workspace":"acme",` + settings + `}`, KeyRequest{}},
		"PATCH /keygate/keys/" + id:                                     {`{"workspace":"acme",` + strings.Replace(settings, `"expires_in_days":7`, `"expires_at":null`, 1) + `}`, KeyRequest{}},
		"POST /keygate/keys/" + id + "/rotate":                          {`{"overlap":"1h"}`, RotateRequest{}},
		"PATCH /keygate/workspaces/acme":                                {`{"limits":{"per_minute":5,"per_day":null}}`, WorkspaceRequest{}},
		"POST /keygate/explain":                                         {`{"key":"` + id + `","method":"GET","path":"/v1/invoices","origin":"https://a.example","ip":"203.0.113.7","at":"2027-01-01T00:00:00Z"}`, ExplainRequest{}},
		"POST /keygate/leaked":                                          {`{"text":"` + apitest.FirstToken + `","then":"revoke"}`, LeakedRequest{}},
		"POST /keygate/import?keep_going=false":                         {importLine(importedID, `"token_format":"","account":""`), importedKey{}},
		"POST /keygate/import?keep_going=true&allow_unknown_scope=true": {importLine(importedID, `"token_format":"","account":""`), importedKey{}},
	}
}

// importLine is a line with every member of an export.
func importLine(id, more string) string {
	return `{"id":"` + id + `","prefix":"patra_` + id + `","workspace":"acme","name":"n","description":"d","scopes":["posts:read"],"status":"active",` +
		`"created_at":"2026-11-23T10:00:00Z","created_by":"Ada","expires_at":null,"revoked_at":null,"last_used_at":null,"limits":{"per_minute":9,"per_day":9,"burst":9},` +
		`"allowed_origins":["https://a.example"],"allowed_ips":["203.0.113.7"],"rotated_from":"","replaced_by":"","disabled":false,` +
		`"hash":"sha256:` + strings.Repeat("ab", 32) + `",` + more + `}`
}

// otherSpellings are names that encoding/json takes for a name: in another
// case, and with the two characters that fold into ASCII.
func otherSpellings(name string) []string {
	all := []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name[:len(name)-1] + strings.ToUpper(name[len(name)-1:])}
	for fold, special := range map[string]string{"s": "\u017f", "k": "\u212a"} {
		if strings.Contains(name, fold) {
			all = append(all, strings.Replace(name, fold, special, 1))
		}
	}
	return all
}

// eachMember calls yield for each member of a body, at any depth, with where it
// begins, its name as a path and its value.
func eachMember(t *testing.T, body string, yield func(at int, path, name, value string)) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		at := strings.Index(body, `"`+name+`":`)
		yield(at, name, name, string(value))
		var nested map[string]json.RawMessage
		if json.Unmarshal(value, &nested) == nil {
			for inner, value := range nested {
				yield(at+len(name)+3+strings.Index(string(members[name]), `"`+inner+`":`), name+"."+inner, inner, string(value))
			}
		}
	}
}

// A member is one that its object has, in these very letters, and once: what
// one reader takes for another member, or drops, is refused.
func TestAPIRefusesMembers(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	for operation, full := range fullBodies(id) {
		t.Run(operation, func(t *testing.T) {
			seen := make(map[string]bool)
			refused := func(path, body string, texts ...string) {
				t.Helper()
				got := s.send(operation, body)
				if strings.Contains(operation, "keep_going=true") {
					got.want(t, 200, append(texts, `"imported":0`, `"line":1`)...)
				} else {
					got.want(t, 400, append(texts, path)...)
				}
			}
			eachMember(t, full.body, func(at int, path, name, value string) {
				seen[name] = true
				insert := func(text string) string { return full.body[:at] + text + full.body[at:] }
				refused(path, insert(`"`+name+`":`+value+`,`), "more than once")
				refused(path, insert(`"`+name+`":null,`))
				refused(path, insert(fmt.Sprintf(`"\u%04x%s":%s,`, name[0], name[1:], value)), "more than once")
				for _, other := range otherSpellings(name) {
					refused("", insert(`"`+other+`":`+value+`,`), "is not a member (did you mean "+name+"?); accepted: ")
					refused("", full.body[:at]+`"`+other+full.body[at+1+len(name):], "is not a member (did you mean "+name+"?); accepted: ")
				}
				refused("", insert(`"x":1,`), "x: is not a member; accepted: ")
				refused("", insert(`"":1,`))
				refused("", insert(`"`+wholeToken+`":1,`))
			})
			for _, name := range jsonNames(reflect.TypeOf(full.into)) {
				if !seen[name] && !slices.Contains([]string{"expires_at", "expires_in_days", "token"}, name) {
					t.Errorf("no body has the member %s", name)
				}
			}
			for _, body := range []string{"null", "[]", `""`, "1", "true", "[" + full.body + "]", full.body + full.body, full.body + "]", full.body + ",", full.body + "x"} {
				refused("", body)
			}
			for _, text := range []string{`\ud800`, `\udfff`, `\uD83D`, `\udc00\ud800`, `\ud800\ud800`, `\ud800x`, `\ud800\n`, `\\\ud800`, "\xff", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "a\xe2\x82"} {
				for _, name := range []string{"name", "overlap", "path"} {
					if strings.Contains(full.body, `"`+name+`":`) {
						eachMember(t, full.body, func(at int, path, member, value string) {
							if member == name {
								refused(path, full.body[:at]+`"`+name+`":"`+text+`"`+full.body[at+len(name)+3+len(value):], "Unicode")
							}
						})
					}
				}
				refused("", `{"`+text+`":1,`+full.body[1:])
			}
		})
	}
	if names := s.send("GET /keygate/keys", "").body; strings.Count(names, `"id"`) != 1 {
		t.Errorf("something was created: %s", names)
	}
}

// jsonNames are the names of a struct's members, at any depth.
func jsonNames(typ reflect.Type) (names []string) {
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		inner := field.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() != "time" {
			names = append(names, jsonNames(inner)...)
		}
	}
	return names
}

// What is written otherwise but means the same is accepted.
func TestAPITakesMembers(t *testing.T) {
	s := serveAPI(t)
	for i, body := range []string{
		`{"workspace":"acme","name":"\ud83d\ude00","scopes":["posts:read"]}`,
		`{"workspace":"acme","name":"\uD83D\uDE00 \\ud800","scopes":["posts:read"]}`,
		`{"workspace":"acme","name":"😀\u00e9\"\\","scopes":["posts:read"]}`,
		`{"\u0077orkspace":"acme","n\u0061me":"n","scopes":["posts:read"]}`,
		" \t\r\n{ \"workspace\" : \"acme\" , \"name\":\"{\\\"name\\\":1}\",\"scopes\":[\"posts:read\"],\n\"limits\":{ } } \n",
	} {
		s.send("POST /keygate/keys", body).want(t, 201)
		line := strings.Replace(strings.TrimSpace(body), "\n", "", 1)
		id := fmt.Sprintf("7Hk2Qp9aX3b%d", i)
		s.send("POST /keygate/import", `{"id":"`+id+`","hash":"sha256:`+strings.Repeat("ab", 32)+`",`+line[1:]).want(t, 200, `"imported":1`)
	}
}

// Every operation that takes a body is in fullBodies.
func TestAPIBodiesAreAllTested(t *testing.T) {
	doc := readOpenAPI(t)
	tested := make(map[string]bool)
	for operation := range fullBodies("{id}") {
		operation, _, _ = strings.Cut(operation, "?")
		tested[strings.Replace(operation, "/acme", "/{workspace}", 1)] = true
	}
	var want []string
	for _, operation := range doc.operations() {
		if doc.at(doc.operation(operation), "requestBody") != nil {
			want = append(want, operation)
		}
	}
	if got := slices.Sorted(maps.Keys(tested)); !slices.Equal(got, want) {
		t.Errorf("bodies of %q, want those of %q", got, want)
	}
}

// The error names the member, and what is accepted in its place.
func TestAPISaysWhatMembersItTakes(t *testing.T) {
	s := serveAPI(t)
	const members = "workspace, name, description, scopes, expires_in_days, expires_at, limits, allowed_origins, allowed_ips, allow_unknown_scope"
	for body, want := range map[string]string{
		`{"workspace":"a","Workspace":"b"}`:               `Workspace: is not a member (did you mean workspace?); accepted: ` + members,
		`{"NAME":"x"}`:                                    `NAME: is not a member (did you mean name?); accepted: ` + members,
		`{"scope":["posts:read"]}`:                        `scope: is not a member (did you mean scopes?); accepted: ` + members,
		`{"colour":{"a":[null]}}`:                         `colour: is not a member; accepted: ` + members,
		`{"limits":{"per_hour":1}}`:                       `limits.per_hour: is not a member; accepted: per_minute, per_day, burst`,
		`{"limits":{"per_dya":1}}`:                        `limits.per_dya: is not a member (did you mean per_day?); accepted: per_minute, per_day, burst`,
		`{"workspace":"a","workspace":"a"}`:               `workspace: is given more than once; accepted: once`,
		`{"limits":{"per_minute":1,"per_minute":1}}`:      `limits.per_minute: is given more than once; accepted: once`,
		`{"limits":{"Burst":1}}`:                          `limits.Burst: is not a member (did you mean burst?); accepted: per_minute, per_day, burst`,
		`{"name":"a\ud800"}`:                              `name: is not valid Unicode; accepted: Unicode text in UTF-8, without lone surrogates`,
		`{"scopes":["posts:read","a\udfff"]}`:             `scopes: is not valid Unicode; accepted: Unicode text in UTF-8, without lone surrogates`,
		`{"name":"` + wholeToken + `","name":""}`:         `name: is given more than once; accepted: once`,
		`{"` + wholeToken + `":1,"` + wholeToken + `":1}`: `a token`,
	} {
		got := s.send("POST /keygate/keys", body).want(t, http.StatusBadRequest)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || !strings.Contains(answer.Error, want) {
			t.Errorf("%s\ngot  %s\nwant %s", body, answer.Error, want)
		}
	}
}

// What is decoded holds no member twice and none in another case, at any depth,
// as a reader of tokens sees it, which knows no structs.
func FuzzMembers(f *testing.F) {
	for _, full := range fullBodies(importedID) {
		f.Add(full.body)
		f.Add(strings.Replace(full.body, `{`, `{"NAME":"x",`, 1))
		f.Add(strings.Replace(full.body, `"per_`, `"per_day":1,"per_`, 1))
	}
	f.Add(`{"limits":{"per_day":1,"per\u005fday":2}}`)
	f.Add(`{"name":"\ud83d\ude00 \ud83d"}`)
	f.Add(`{"expires_at":{"a":1,"a":[{"b":1,"b":2}]}}`)
	f.Add(`{"expires_at":{"a":1}}`)
	f.Add(`{"limits":{"per_day":{"a":{"b":1}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, into := range []func() any{
			func() any { return new(KeyRequest) }, func() any { return new(importedKey) }, func() any { return new(WorkspaceRequest) },
		} {
			v := into()
			if decodeJSON(strings.NewReader(text), v) != nil {
				continue
			}
			if !utf8.ValidString(text) {
				t.Fatalf("not UTF-8: %q", text)
			}
			known, free := jsonNames(reflect.TypeOf(v).Elem()), rawNames(reflect.TypeOf(v).Elem())
			dec := json.NewDecoder(strings.NewReader(text))
			var walk func(depth int, loose bool) // loose: members that somebody else will refuse
			walk = func(depth int, loose bool) {
				token, err := dec.Token()
				if err != nil {
					t.Fatal(err)
				}
				open, _ := token.(json.Delim)
				seen := make(map[string]bool)
				for open == '{' && dec.More() {
					name, err := dec.Token()
					if err != nil {
						t.Fatal(err)
					}
					if seen[name.(string)] || depth < 2 && !loose && !slices.Contains(known, name.(string)) {
						t.Fatalf("%q is accepted, with the member %q", text, name)
					}
					seen[name.(string)] = true
					walk(depth+1, loose || slices.Contains(free, name.(string)))
				}
				for open == '[' && dec.More() {
					walk(depth+2, loose)
				}
				if open != 0 {
					if _, err := dec.Token(); err != nil {
						t.Fatal(err)
					}
				}
			}
			walk(0, false)
		}
	})
}

func BenchmarkImportLine(b *testing.B) {
	line := []byte(importLine(importedID, `"token_format":"","account":""`))
	var dec lineDecoder
	b.ReportAllocs()
	for b.Loop() {
		var key importedKey
		if err := dec.decode(line, &key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManyNames is an object that may have any members, with as many as a
// body holds.
func BenchmarkManyNames(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString(`{"expires_at":{`)
			for i := range n {
				fmt.Fprintf(&text, `"%x":1,`, i)
			}
			body := []byte(strings.TrimSuffix(text.String(), ",") + "}}")
			for b.Loop() {
				if err := checkMembers(body, reflect.TypeFor[KeyRequest]()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/name")
		})
	}
}

// rawNames are the members of a type, and of what it holds, that are decoded by
// nobody yet.
func rawNames(typ reflect.Type) (names []string) {
	for field := range typ.Fields() {
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case inner == reflect.TypeFor[json.RawMessage]():
			names = append(names, name)
		case inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]():
			names = append(names, rawNames(inner)...)
		}
	}
	return names
}
