package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// explainForm is a request that somebody asks about.
type explainForm struct{ Method, Path, Origin, IP string }

// explainPage says whether a request with a key would pass, and why.
type explainPage struct {
	shell
	Key      apikey.Record
	Status   status
	Ask      explainForm
	Methods  []string
	Client   string
	Problems problems
	NoPowers bool
	Result   *explainResult
}

type explainResult struct {
	Passes bool
	Anyway bool // it would pass although it is denied, as nothing is enforced
	Code   string
	Status int
	Checks []checkWords
	First  *checkWords // the first that fails
}

type checkWords struct {
	Label, Outcome, Compared, Fix string
}

// checkLabels are what each check is about.
//
//nolint:gosec // words, not credentials
var checkLabels = map[string]string{
	"shape":        "Form of the request",
	"preflight":    "Question that a browser asks ahead",
	"public_route": "Paths that are open to everybody",
	"credential":   "Key in the request",
	"key":          "Key known",
	"status":       "Key active",
	"ip":           "Address that it comes from",
	"origin":       "Website that it comes from",
	"route":        "Path",
	"scopes":       "Access that the path needs",
	"limits":       "Limits",
}

func (v *visit) explainPage(k *apikey.Record) explainPage {
	page := explainPage{shell: v.shell("Would this request pass?"), Key: *k, Status: statusOf(k.Status), Ask: explainForm{Method: http.MethodGet}, Methods: requestMethods, NoPowers: !v.may(adminapi.VerbExplain)}
	if v.Client.IsValid() {
		page.Client = v.Client.Unmap().WithZone("").String()
	}
	return page
}

func (v *visit) askExplain() error {
	k, _, err := v.key()
	if err != nil {
		return err
	}
	page := v.explainPage(&k)
	status := http.StatusOK
	if page.NoPowers {
		status = http.StatusForbidden
	}
	return v.show(status, "explain", page)
}

func (v *visit) explain() error {
	k, _, err := v.key()
	if err != nil {
		return err
	}
	page := v.explainPage(&k)
	if page.NoPowers {
		return v.show(http.StatusForbidden, "explain", page)
	}
	page.Problems = tokensIn(v.typed)
	get := func(name string) string { return withoutToken(strings.TrimSpace(v.typed.Get(name))) }
	page.Ask = explainForm{strings.ToUpper(get("method")), get("path"), get("origin"), get("ip")}
	if page.Ask.Method == "" {
		page.Ask.Method = http.MethodGet
	}
	if page.Ask.Path == "" {
		page.Problems.add("path", "Write the path of the request, such as /v1/posts.")
	}
	if len(page.Problems) > 0 {
		return v.show(http.StatusUnprocessableEntity, "explain", page)
	}
	resp, _, err := answered[adminapi.ExplainResponse](v.do(http.MethodPost, adminapi.ExplainPath, adminapi.ExplainRequest{
		Key: k.ID.String(), Method: page.Ask.Method, Path: pathOnly(page.Ask.Path), Origin: page.Ask.Origin, IP: page.Ask.IP,
	}))
	if err != nil {
		if other := page.Problems.addError(err); other != nil {
			return other
		}
		return v.show(http.StatusUnprocessableEntity, "explain", page)
	}
	page.Result = resultOf(&resp)
	return v.show(http.StatusOK, "explain", page)
}

// pathOnly returns the path of what was typed, which may be copied from an
// address bar or a log: whole, and with its query.
func pathOnly(typed string) string {
	if strings.Contains(typed, "://") {
		if u, err := url.Parse(typed); err == nil {
			return u.EscapedPath()
		}
	}
	path, _, _ := strings.Cut(typed, "?")
	path, _, _ = strings.Cut(path, "#")
	return path
}

func resultOf(resp *adminapi.ExplainResponse) *explainResult {
	result := &explainResult{Passes: resp.Reason == "allowed", Anyway: resp.Passes, Code: resp.Reason, Status: resp.Status}
	for _, c := range resp.Checks {
		words := checkWords{checkLabels[c.Check], c.Outcome, c.Compared, c.Fix}
		if words.Label == "" {
			words.Label = capital(c.Check)
		}
		result.Checks = append(result.Checks, words)
	}
	for i := range result.Checks {
		if result.Checks[i].Outcome == "fail" {
			result.First = &result.Checks[i]
			break
		}
	}
	return result
}
