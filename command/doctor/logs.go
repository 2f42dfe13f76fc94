package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// checkLogFilter asks whether tokens get into logs. Caddy itself hides
// Authorization, and logs the other header that keys may come in: in access logs,
// and with an error, in the log of errors.
func checkLogFilter(f *Facts) lines {
	headers := false
	var found lines
	for _, site := range f.Sites {
		for _, header := range site.Headers {
			headers = true
			for _, log := range f.logsThatShow(site, header) {
				found.fail(fmt.Sprintf("in the config: log %s { format filter { request>headers>%s replace REDACTED } }, as in Caddyfile.example; then %s", log, header, f.Config.Reload),
					"the log %s shows tokens that come in %s", log, header)
			}
		}
	}
	switch {
	case len(found) > 0:
		return slices.CompactFunc(found, func(a, b Line) bool { return a.Found == b.Found })
	case !headers:
		return ok("keys come in Authorization alone, which Caddy hides by itself")
	default:
		return ok("every log hides the header that keys come in")
	}
}

// logsThatShow returns the logs that requests with a header get into as they are.
func (f *Facts) logsThatShow(site Site, header string) (shown []string) {
	names := []string{"http.log.error"}
	if logs := jsontree.At(site.Server, "logs"); logs != nil {
		names = append(names, "http.log.access")
		add := func(name string) {
			if name != "" {
				names = append(names, "http.log.access."+name, "http.log.error."+name)
			}
		}
		add(jsontree.Text(logs, "default_logger_name"))
		jsontree.Members(jsontree.At(logs, "logger_names"), func(_ string, loggers any) {
			if name, ok := loggers.(string); ok {
				add(name)
			}
			for _, name := range jsontree.Texts(loggers) {
				add(name)
			}
		})
	}
	all := map[string]any{"default": nil} // there is one, whatever the config says
	jsontree.Members(jsontree.At(f.tree(), "logging", "logs"), func(name string, log any) { all[name] = log })
	jsontree.Members(all, func(name string, log any) {
		if jsontree.Text(log, "writer", "output") == "discard" || hides(jsontree.At(log, "encoder"), header) {
			return
		}
		if slices.ContainsFunc(names, func(logger string) bool { return takes(log, logger) }) {
			shown = append(shown, name)
		}
	})
	return shown
}

// takes reports whether a log takes what a logger writes: by the longest name that
// it includes or excludes.
func takes(log any, logger string) bool {
	include, exclude := jsontree.Texts(log, "include"), jsontree.Texts(log, "exclude")
	included, excluded := longest(include, logger), longest(exclude, logger)
	return (len(include) == 0 || included > 0) && (excluded == 0 || included > excluded)
}

// longest returns the length of the longest of names that a logger is of.
func longest(names []string, logger string) int {
	most := 0
	for _, name := range names {
		if logger == name || strings.HasPrefix(logger, name+".") {
			most = max(most, len(name))
		}
	}
	return most
}

// hides reports whether an encoder of logs changes the field of a header, or what
// is around it.
func hides(encoder any, header string) bool {
	if encoder == nil {
		return false
	}
	if jsontree.Text(encoder, "format") == "filter" {
		for _, field := range []string{"request>headers>" + header, "request>headers", "request"} {
			switch jsontree.Text(encoder, "fields", field, "filter") {
			case "delete", "replace", "hash", "regexp", "multi_regexp":
				return true
			}
		}
	}
	return hides(jsontree.At(encoder, "wrap"), header)
}
