package access

import (
	"strings"
	"testing"
)

// A path that some backend takes for a mapped literal matches nothing else, over
// all routes at once: written, imported and denied.
func TestLookalikesMatchNothingElse(t *testing.T) {
	for name, test := range map[string]struct {
		routes  []string // see importedTable
		request string
		want    string // "": none
	}{
		"imported past a written literal, in another case": {[]string{"GET /v1/{kind}/me", "+GET /v1/users/{id}"}, "GET /v1/users/ME", ""},
		"imported past a written literal, with a slash":    {[]string{"GET /v1/{kind}/me", "+GET /v1/users/{id}/"}, "GET /v1/users/me/", ""},
		"imported past a written literal, encoded":         {[]string{"GET /v1/{kind}/@all", "+GET /v1/users/{id}"}, "GET /v1/users/%40all", ""},
		"imported past a written literal, with a format":   {[]string{"GET /v1/{kind}/me", "+GET /v1/users/{id}"}, "GET /v1/users/me.json", ""},
		"imported past a written name, with a slash":       {[]string{"GET /v1/{kind}", "+GET /v1/users/"}, "GET /v1/users/", ""},
		"imported, where no written one is like it":        {[]string{"GET /v1/{kind}/me", "+GET /v1/users/{id}"}, "GET /v1/users/you", "+GET /v1/users/{id}"},
		"imported, mapped itself in that case":             {[]string{"GET /v1/ME", "+GET /v1/me"}, "GET /v1/me", "+GET /v1/me"},
		"imported, mapped itself with that format":         {[]string{"GET /v1/me", "+GET /v1/me.json"}, "GET /v1/me.json", "+GET /v1/me.json"},

		"a format":                             {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts.json", ""},
		"a format after a format":              {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts.tar.gz", ""},
		"an empty format":                      {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts.", ""},
		"a format in another case":             {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/Drafts.JSON", ""},
		"a format and a slash":                 {[]string{"GET /posts/drafts", "GET /posts/{id}/"}, "GET /posts/drafts.json/", ""},
		"a format of a literal with a dot":     {[]string{"GET /files/Report.pdf", "GET /files/{name}"}, "GET /files/report.PDF.gz", ""},
		"a format in the middle":               {[]string{"GET /posts/drafts/all", "GET /posts/{id}/all"}, "GET /posts/drafts.json/all", ""},
		"a format that is mapped itself":       {[]string{"GET /drafts", "GET /drafts.json", "GET /{id}"}, "GET /drafts.json", "GET /drafts.json"},
		"a format of what has no such method":  {[]string{"POST /drafts", "GET /{id}"}, "GET /drafts.json", "GET /{id}"},
		"a format of what goes on":             {[]string{"GET /drafts/{x}", "GET /{id}"}, "GET /drafts.json", "GET /{id}"},
		"a space at the end":                   {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%20", ""},
		"dots and spaces at the end":           {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%20.%20", ""},
		"a space after text behind a name":     {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/7:go%20", ""},
		"a space first":                        {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/%20drafts", ""},
		"a space before a format":              {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%20.json", ""},
		"a space that is not ASCII":            {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%C2%A0", ""},
		"text where a name could end":          {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/7:8:go", ""},
		"the same, encoded":                    {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/7%3A8:go", ""},
		"a dot in a name beside text":          {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/7.8:go", ""},
		"a line end in a name beside text":     {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/7%E2%80%A8:go", ""},
		"an empty name beside text":            {[]string{"GET /posts/{id}:go", "GET /posts/{id}"}, "GET /posts/:go", ""},
		"text twice, imported as wide":         {[]string{"GET /{id}.csv", "+GET /{kind}"}, "GET /7.8.csv", ""},
		"text twice, nothing else like it":     {[]string{"GET /{id}.csv", "POST /{id}", "GET /a/{id}"}, "GET /7.8.csv", "GET /{id}.csv"},
		"a space in between":                   {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%20of%20mine", "GET /posts/{id}"},
		"a plus at the end":                    {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts+", ""},
		"a plus before a format":               {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/%2bdrafts+.json", ""},
		"a plus that is mapped":                {[]string{"GET /c", "GET /c++", "GET /{id}"}, "GET /c++", "GET /c++"},
		"without a plus that is mapped":        {[]string{"GET /+1", "GET /{id}"}, "GET /1", "GET /{id}"},
		"spaces of any length before":          {[]string{"GET /drafts", "GET /{id}"}, "GET /" + strings.Repeat("%20", 300) + "drafts", ""},
		"spaces of any length behind":          {[]string{"GET /drafts", "GET /{id}"}, "GET /drafts" + strings.Repeat("%20", 300), ""},
		"pluses of any length behind":          {[]string{"GET /drafts", "GET /{id}"}, "GET /drafts" + strings.Repeat("+", 300) + ".json", ""},
		"full-width letters":                   {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/%EF%BD%84rafts", ""},
		"a full-width dot and a format":        {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/drafts%EF%BC%8Ejson", ""},
		"a ligature":                           {[]string{"GET /office", "GET /{id}"}, "GET /o%EF%AC%83ce", ""},
		"a sharp s":                            {[]string{"GET /password", "GET /{id}"}, "GET /pa%C3%9Fword", ""},
		"a full-width colon":                   {[]string{"GET /{id}:go", "GET /{id}"}, "GET /7%EF%BC%9Ago", ""},
		"what is full-width and no literal":    {[]string{"GET /posts/drafts", "GET /posts/{id}"}, "GET /posts/%EF%BC%81", "GET /posts/{id}"},
		"a dot first":                          {[]string{"GET /a", "GET /{id}"}, "GET /.a", "GET /{id}"},
		"no dot":                               {[]string{"GET /drafts", "GET /{id}"}, "GET /draftsjson", "GET /{id}"},
		"a more specific one in another case":  {[]string{"GET /A/b", "GET /a/{x}"}, "GET /a/b", ""},
		"a less specific one in another case":  {[]string{"GET /A/{x}", "GET /a/b"}, "GET /a/b", "GET /a/b"},
		"a more specific one with a format":    {[]string{"GET /a/b", "GET /a.x/{y}"}, "GET /a.x/b", ""},
		"the same in two cases, names deeper":  {[]string{"GET /A/{x}/c", "GET /a/{y}/c"}, "GET /a/b/c", "GET /a/{y}/c"},
		"the same in two cases, another slash": {[]string{"GET /A/", "GET /a"}, "GET /a", "GET /a"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			got := ""
			if r := importedTable(t, test.routes...).Match(method, path); r != nil {
				got = r.String()
				if r.Imported {
					got = "+" + got
				}
			}
			if got != test.want {
				t.Errorf("%s matches %q, want %q", test.request, got, test.want)
			}
		})
	}
}

// What a document denies with spaces beside names is denied with them and not
// without: those at the ends of a segment are trimmed by some, those inside by
// nobody.
func TestDeniedWithSpaces(t *testing.T) {
	for _, test := range []struct{ denied, path, want string }{
		{"/%20v{x}", "/%20v7", "denied"},
		{"/%20v{x}", "/v7", "no exact match"},
		{"/%20v{x}", "/7", "/{n0}"},
		{"/{x}v%20", "/7v%20", "denied"},
		{"/{x}v%20", "/7v", "no exact match"},
		{"/{x}v%20", "/7", "/{n0}"},
		{"/{x}%20b", "/7%20b", "denied"},
		{"/{x}%20b", "/7b", "/{n0}"},
		{"/a%20{x}", "/a%207", "denied"},
		{"/a%20{x}", "/a7", "/{n0}"},
		{"/{x}%20-%20{x}", "/7%20-%208", "denied"},
		{"/{x}%20-%20{x}", "/7-8", "/{n0}"},
	} {
		table := mustTable(t, parseMarked("+-GET "+test.denied+"\nGET /open\n+GET /{x}")...)
		got := "no exact match"
		if r := table.Match("GET", test.path); r.denies() {
			got = "denied"
		} else if r != nil {
			got = r.Pattern
		}
		if got != test.want {
			t.Errorf("%s, with %s denied: %s, want %s", test.path, test.denied, got, test.want)
		}
	}
}
