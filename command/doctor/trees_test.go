package doctor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/jsontree"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return tree
}

func TestDifferent(t *testing.T) {
	for _, test := range []struct {
		name, one, other string
		want             []string
	}{
		{"same", `{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`, nil},
		{"a value", `{"apps":{"http":{"port":1}}}`, `{"apps":{"http":{"port":2}}}`, []string{"apps.http.port"}},
		{"missing", `{"apps":{"http":{}}}`, `{"apps":{}}`, []string{"apps.http"}},
		{"of another kind", `{"apps":[]}`, `{"apps":{}}`, []string{"apps"}},
		{"in a list", `{"a":[1,2,3]}`, `{"a":[1,5,3]}`, []string{"a.1"}},
		{"a longer list", `{"a":[1,2,3]}`, `{"a":[1,2]}`, []string{"a"}},
		{"a name that is none of a setting", `{"a":{"Hunter2 ":1}}`, `{"a":{}}`, []string{"a"}},
		{"deep", `{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}`, `{"a":{"b":{"c":{"d":{"e":{"f":2}}}}}}`, []string{"a.b.c.d.e"}},
		{"many", `{"a":1,"b":1,"c":1,"d":1}`, `{"a":2,"b":2,"c":2,"d":2}`, []string{"a", "b", "c", "and more"}},
		{"no object", `1`, `{"a":2}`, []string{"as a whole"}},
		{"no config", `null`, `{"a":2}`, []string{"as a whole"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := different(parse(t, test.one), parse(t, test.other)); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestLogFilter(t *testing.T) {
	const filter = `{"format":"filter","fields":{"request>headers>X-Api-Key":{"filter":"replace","value":"REDACTED"}}}`
	for _, test := range []struct {
		name, logs, server string
		shown              string // the logs that show it, with spaces around
	}{
		{"no log of its own", `{}`, `{}`, " default "},
		{"filtered", `{"default":{"encoder":` + filter + `}}`, `{"logs":{}}`, ""},
		{"filtered around another", `{"default":{"encoder":{"format":"append","wrap":` + filter + `}}}`, `{"logs":{}}`, ""},
		{"another header", `{"default":{"encoder":{"format":"filter","fields":{"request>headers>X-Other":{"filter":"delete"}}}}}`, `{"logs":{}}`, " default "},
		{"all headers", `{"default":{"encoder":{"format":"filter","fields":{"request>headers":{"filter":"delete"}}}}}`, `{"logs":{}}`, ""},
		{"another name", `{"default":{"encoder":{"format":"filter","fields":{"request>headers>X-Api-Key":{"filter":"rename","name":"k"}}}}}`, `{"logs":{}}`, " default "},
		{"a log of the site", `{"default":{"exclude":["http.log.access.log0"],"encoder":` + filter + `},"log0":{"include":["http.log.access.log0"]}}`, `{"logs":{"default_logger_name":"log0"}}`, " log0 "},
		{"a log of another site", `{"default":{"encoder":` + filter + `},"log1":{"include":["http.log.access.log1"]}}`, `{"logs":{"default_logger_name":"log0"}}`, ""},
		{"a log of a name", `{"default":{"encoder":` + filter + `},"log1":{"include":["http.log.access.log1"]}}`, `{"logs":{"logger_names":{"api.example.com":["log1"]}}}`, " log1 "},
		{"discarded", `{"default":{"writer":{"output":"discard"}}}`, `{"logs":{}}`, ""},
		{"errors alone", `{"default":{"exclude":["http.log.access"]}}`, `{"logs":{}}`, " default "},
		{"neither", `{"default":{"exclude":["http.log"]}}`, `{"logs":{}}`, ""},
		{"a name that only begins so", `{"default":{"encoder":` + filter + `},"x":{"include":["http.log.acc"]}}`, `{"logs":{}}`, ""},
		{"included in what is excluded", `{"default":{"encoder":` + filter + `},"x":{"exclude":["http.log"],"include":["http.log.access"]}}`, `{"logs":{}}`, " x "},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &Facts{}
			f.Config.Running = map[string]any{"logging": map[string]any{"logs": parse(t, test.logs)}}
			f.Sites = []Site{{Server: parse(t, test.server), Headers: []string{"X-Api-Key"}}}
			got := " " + strings.Join(f.logsThatShow(f.Sites[0], "X-Api-Key"), " ") + " "
			if strings.TrimSpace(got) != strings.TrimSpace(test.shown) {
				t.Errorf("shown by%s, want%s", got, test.shown)
			}
			if fails := checkLogFilter(f)[0].Outcome == Fail; fails != (test.shown != "") {
				t.Errorf("%+v", checkLogFilter(f))
			}
			f.Sites[0].Headers = nil
			if l := checkLogFilter(f); l[0].Outcome != OK {
				t.Errorf("without the header: %+v", l)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	const named = `[{"match":[{"host":["api.example.com"]}],"handle":[{"handler":"keygate"}]}]`
	for _, test := range []struct {
		name, server, others string
		options              string
		want                 Outcome
	}{
		{"a name", `{"listen":[":443"],"routes":` + named + `}`, "", "", Fail},
		{"a name on another port", `{"listen":[":8443"],"routes":` + named + `}`, "", "", Fail},
		{"no name, with TLS", `{"listen":[":8443"],"tls_connection_policies":[{}]}`, "", "", Fail},
		{"turned off", `{"listen":[":443"],"routes":` + named + `,"automatic_https":{"disable_redirects":true}}`, "", "", OK},
		{"left out", `{"listen":[":443"],"routes":` + named + `,"automatic_https":{"skip":["api.example.com"]}}`, "", "", OK},
		{"answered", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["api.example.com"]}]}]}`, "", OK},
		{"answered by a wildcard", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["*.example.com"]}]}]}`, "", OK},
		{"redirected before all", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"handle":[]}]}`, "", Fail},
		{"answered by all, as no name is Caddy's", `{"listen":[":443"],"routes":` + named + `,"automatic_https":{"disable_certificates":true}}`, `,"srv1":{"listen":[":80"],"routes":[{"handle":[]}]}`, "", OK},
		{"no name, answered by all", `{"listen":[":8443"],"tls_connection_policies":[{}]}`, `,"srv1":{"listen":[":80"],"routes":[{"handle":[]}]}`, "", OK},
		{"watched", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["api.example.com"]}],"handle":[{"handler":"keygate_plaintext"}]}]}`, "", OK},
		{"redirected by a site", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["api.example.com"]}],"handle":[{"handler":"static_response","headers":{"Location":["https://x"]}}]}]}`, "", Fail},
		{"watched at another address", `{"listen":["10.0.0.1:443"],"routes":` + named + `}`, `,"srv1":{"listen":["10.0.0.2:80"],"routes":[{"match":[{"host":["api.example.com"]}],"handle":[{"handler":"keygate_plaintext"}]}]}`, "", Fail},
		{"watched at every address", `{"listen":["10.0.0.1:443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["api.example.com"]}],"handle":[{"handler":"keygate_plaintext"}]}]}`, "", OK},
		{"answered for another", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["www.example.com"]}]}]}`, "", Fail},
		{"answered on one path", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":80"],"routes":[{"match":[{"host":["api.example.com"],"path":["/x"]}]}]}`, "", Fail},
		{"answered on another port", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":8080"],"routes":[{"match":[{"host":["api.example.com"]}]}]}`, "", Fail},
		{"answered on the http port", `{"listen":[":443"],"routes":` + named + `}`, `,"srv1":{"listen":[":8080"],"routes":[{"match":[{"host":["api.example.com"]}]}]}`, `"http_port":8080,`, OK},
		{"plain", `{"listen":[":8080"],"routes":[{"handle":[{"handler":"keygate"}]}]}`, "", "", Skipped},
		{"plain, with a name", `{"listen":[":80"],"routes":` + named + `}`, "", "", Skipped},
		{"plain, without HTTPS", `{"listen":[":8080"],"routes":` + named + `,"automatic_https":{"disable":true}}`, "", "", Skipped},
		{"plain, for this machine", `{"listen":["127.0.0.1:8080"],"automatic_https":{"disable":true}}`, "", "", OK},
		{"plain, for this machine, IPv6", `{"listen":["tcp/[::1]:8080"],"automatic_https":{"disable":true}}`, "", "", OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &Facts{}
			f.Config.Running = parse(t, `{"apps":{"http":{`+test.options+`"servers":{"srv0":`+test.server+test.others+`}}}}`)
			f.Sites = []Site{{Name: "srv0", Server: jsontree.At(f.Config.Running, "apps", "http", "servers", "srv0")}}
			if got := checkRedirects(f); got[0].Outcome != test.want {
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}
