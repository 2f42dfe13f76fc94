package access

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	const posts = `
		GET /v1/posts
		POST /v1/posts
		GET /v1/posts/{id}
		PUT,PATCH /v1/posts/{id}
		POST /v1/posts/with-media
		POST /v1/posts/{id}/approve
		GET /v1/posts/{id}/comments/{comment}
		GET /v1/analytics/*
		GET /v1/users/me
		GET /v1/users/{id}
		GET /v1/@me
		GET /v1/{other}`
	const names = `
		GET /v1/posts/{id}
		GET /v1/posts/{id}:publish
		GET /v1/posts/{id}.json
		GET /v1/posts/v{version}
		GET /v1/posts/{base}...{head}
		GET /v1/posts/latest.json`
	for _, test := range []struct {
		routes, request string
		want            string // the pattern; "" for none
	}{
		{posts, "GET /v1/posts", "/v1/posts"},
		{posts, "HEAD /v1/posts", "/v1/posts"},
		{posts, "POST /v1/posts", "/v1/posts"},
		{posts, "DELETE /v1/posts", ""},
		{posts, "OPTIONS /v1/posts", ""},
		{posts, "get /v1/posts", ""},
		{posts, "TRACE /v1/posts", ""},
		{posts, "* /v1/posts", ""},
		{posts, "GET /v1", ""},
		{posts, "GET /", ""},
		{posts, "GET /v2/posts", ""},
		{posts, "GET /v1/posts/7", "/v1/posts/{id}"},
		{posts, "PATCH /v1/posts/7", "/v1/posts/{id}"},
		{posts, "GET /v1/posts/with-media", "/v1/posts/{id}"},
		{posts, "POST /v1/posts/with-media", "/v1/posts/with-media"},
		{posts, "POST /v1/posts/with-media/approve", "/v1/posts/{id}/approve"},
		{posts, "POST /v1/posts/7/approve", "/v1/posts/{id}/approve"},
		{posts, "POST /v1/posts/7/reject", ""},
		{posts, "GET /v1/posts/7/comments/a%20b", "/v1/posts/{id}/comments/{comment}"},
		{posts, "GET /v1/posts/7/comments", ""},
		{"GET /" + strings.Repeat("a", 255) + "\nGET /{id}", "GET /" + strings.Repeat("a", 255), "/" + strings.Repeat("a", 255)},
		{"GET /" + strings.Repeat("a", 255) + "\nGET /{id}", "GET /" + strings.Repeat("a", 254) + "A", ""},
		{"GET /" + strings.Repeat("a", 255) + "\nGET /{id}", "GET /" + strings.Repeat("a", 256), "/{id}"},
		{posts, "GET /v1/posts/" + strings.Repeat("a", 5000), "/v1/posts/{id}"},
		{posts, "GET /v1/posts/" + strings.Repeat("%C3%BC", 200), "/v1/posts/{id}"},
		{posts, "GET /v1/analytics/reach", "/v1/analytics/*"},
		{posts, "GET /v1/analytics/reach/2026/11", "/v1/analytics/*"},
		{posts, "GET /v1/analytics", "/v1/{other}"},

		// A slash at the end: a different path, and to some backends the same.
		{posts, "GET /v1/posts/", ""},
		{posts, "GET /v1/posts/7/", ""},
		{posts, "GET /v1/analytics/", ""},
		{posts, "GET /v1/analytics/reach/", ""},
		{"GET /", "GET /", "/"},
		{"GET /*", "GET /", ""},
		{"GET /{id}", "GET /", ""},
		{"GET /a\nGET /a/", "GET /a", "/a"},
		{"GET /a\nGET /a/", "GET /a/", "/a/"},
		{"GET /{id}/", "GET /a/", "/{id}/"},
		{"GET /{id}/", "GET /a", ""},
		{"GET /a\nGET /{id}/", "GET /a/", ""},
		{"GET /a\nGET /{id}/", "GET /b/", "/{id}/"},
		{"POST /a\nGET /{id}/", "GET /a/", "/{id}/"},
		{"GET /a/\nGET /{id}", "GET /a", ""},
		{"GET /a/\nGET /*", "GET /a", ""},
		{"GET /a/\nGET /*", "GET /a/b", "/*"},

		// Case: the other way round for some backends.
		{posts, "GET /V1/posts", ""},
		{posts, "GET /v1/Posts", ""},
		{posts, "GET /v1/POSTS/7", ""},
		{posts, "GET /v1/users/me", "/v1/users/me"},
		{posts, "GET /v1/users/ME", ""},
		{posts, "GET /v1/users/M%45", ""},
		{posts, "GET /v1/users/you", "/v1/users/{id}"},
		{posts, "POST /v1/posts/With-Media", ""},
		{posts, "GET /v1/posts/With-Media", "/v1/posts/{id}"}, // no literal with this method
		{"GET /stats\nGET /{id}", "GET /%C5%BFtats", ""},      // a long s
		{"GET /key\nGET /{id}", "GET /%E2%84%AAey", ""},       // the Kelvin sign
		{"GET /key\nGET /{id}", "GET /%E2%84%ABey", "/{id}"},
		{"GET /a\nGET /A", "GET /a", "/a"},
		{"GET /a\nGET /A", "GET /A", "/A"},
		{"GET /aa\nGET /Aa\nGET /{id}", "GET /aA", ""},
		{"GET /a/b\nGET /A/c\nGET /{id}/c", "GET /a/c", ""},
		{"GET /a/b\nGET /*", "GET /A/c", "/*"},
		{"GET /a/b\nGET /*", "GET /A/b", ""},
		{"GET /a/b\nGET /*", "GET /A/b/", ""},

		// Reserved characters: %40 is @ to some only.
		{posts, "GET /v1/@me", "/v1/@me"},
		{posts, "GET /v1/%40me", ""},
		{posts, "GET /v1/@you", "/v1/{other}"},
		{posts, "GET /v1/%40you", "/v1/{other}"},

		// Names with text around them: the longer text first, then the literals.
		{names, "GET /v1/posts/7:publish", "/v1/posts/{id}:publish"},
		{names, "GET /v1/posts/7.json:publish", ""},
		{names, "GET /v1/posts/7.json", "/v1/posts/{id}.json"},
		{names, "GET /v1/posts/7.json.json", ""},
		{names, "GET /v1/posts/v7", "/v1/posts/v{version}"},
		{names, "GET /v1/posts/v7.json", "/v1/posts/{id}.json"},
		{names, "GET /v1/posts/v", ""},
		{names, "GET /v1/posts/.json", ""},
		{names, "GET /v1/posts/%3Apublish", ""},
		{names, "GET /v1/posts/main...dev", "/v1/posts/{base}...{head}"},
		{names, "GET /v1/posts/main....dev", ""},
		{names, "GET /v1/posts/...dev", ""},
		{names, "GET /v1/posts/main...", ""},
		{names, "GET /v1/posts/a...b...c", ""},
		{names, "GET /v1/posts/latest.json", "/v1/posts/latest.json"},
		{names, "GET /v1/posts/7:PUBLISH", ""},
		{names, "GET /v1/posts/7%3Apublish", ""},
		{names, "GET /v1/posts/7:publish.xml", ""},
		{names, "GET /v1/posts/7:publish/", ""},
		{names, "GET /v1/posts/7.JSON", ""},
		{names, "GET /v1/posts/V7", ""},
		{names, "GET /v1/posts/7:publisher", "/v1/posts/{id}"},
		{names, "GET /v1/posts/" + strings.Repeat("7", 5000) + ":publish", "/v1/posts/{id}:publish"},
		{names, "GET /v1/posts/" + strings.Repeat("7", 5000), ""}, // too long to compare
		{"GET /v{a}-{b}\nGET /{id}", "GET /x1-2", "/{id}"},
		{"GET /v{a}-{b}\nGET /{id}", "GET /v1-2", "/v{a}-{b}"},
		{"GET /v{a}-{b}\nGET /{id}", "GET /v1.2", "/{id}"},
		{"GET /v{a}-{b}-{c}\nGET /{id}", "GET /v1-2", "/{id}"},
		{"GET /v{a}-{b}-{c}\nGET /{id}", "GET /v1-2-3", "/v{a}-{b}-{c}"},
		{"GET /{a}-x\nGET /x-{b}", "GET /x-x", "/x-{b}"},
		{"GET /x-{b}\nGET /{a}-x", "GET /x-x", "/x-{b}"},
		{"GET /{a}.x\nGET /{a}.X\nGET /{id}", "GET /7.X", "/{a}.X"},

		// Specificity goes segment by segment, and back.
		{"GET /{a}/b\nGET /a/{b}", "GET /a/b", "/a/{b}"},
		{"GET /{a}/b\nGET /a/{b}", "GET /x/b", "/{a}/b"},
		{"GET /{a}/b\nGET /a/*", "GET /a/b", "/a/*"},
		{"GET /a/{b}/c\nGET /{a}/b/d\nGET /*", "GET /a/b/d", "/{a}/b/d"},
		{"GET /a/{b}/c\nGET /{a}/b/d\nGET /*", "GET /a/b/e", "/*"},
		{"GET /a/*\nGET /a/{b}", "GET /a/b", "/a/{b}"},
		{"GET /a/*\nGET /a/{b}", "GET /a/b/c", "/a/*"},
		{"GET /a/b/*\nGET /*", "GET /a/b", "/*"},
		{"POST /a/b\nGET /a/{x}\nDELETE /*", "DELETE /a/b", "/*"},
		{"* /a/b\nGET /a/{x}", "GET /a/b", "/a/b"},
		{"GET /a/b\n* /a/{x}", "POST /a/b", "/a/{x}"},
		{"* /a\nGET /{x}", "OPTIONS /a", "/a"},
	} {
		t.Run(test.request, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			got := ""
			if r := mustTable(t, parseRoutes(test.routes)...).Match(method, path); r != nil {
				got = r.Pattern
			}
			if got != test.want {
				t.Errorf("%s matches %q; want %q of %s", test.request, got, test.want, test.routes)
			}
		})
	}
}

func TestMatchMethods(t *testing.T) {
	for _, test := range []struct {
		routes, method string
		want           int // the route; -1 for none
	}{
		{"GET /a\n* /a", "GET", 0},
		{"* /a\nGET /a", "GET", 1},
		{"GET /a\n* /a", "POST", 1},
		{"GET /a\n* /a", "HEAD", 0},
		{"GET /a\n* /a\nHEAD /a", "HEAD", 2},
		{"* /a", "HEAD", 0},
		{"HEAD /a", "GET", -1},
		{"HEAD /a", "HEAD", 0},
		{"POST /a", "HEAD", -1},
		{"HEAD /{x}\nGET /a", "HEAD", 1},
		{"GET /a\nPOST /a", "QUERY", -1},
		{"QUERY /a", "GET", -1},
		{"QUERY /a", "HEAD", -1},
		{"QUERY /a\nGET /a", "QUERY", 0},
		{"GET /a\n* /a", "QUERY", 1},
	} {
		t.Run(test.method+" "+strings.ReplaceAll(test.routes, "\n", ", "), func(t *testing.T) {
			routes := parseRoutes(test.routes)
			for i := range routes {
				routes[i].Cost = i + 1
			}
			got := -1
			if r := mustTable(t, routes...).Match(test.method, "/a"); r != nil {
				got = r.Cost - 1
			}
			if got != test.want {
				t.Errorf("matches route %d; want %d", got, test.want)
			}
		})
	}
}
