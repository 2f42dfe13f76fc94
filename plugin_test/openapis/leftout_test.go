package openapis

import (
	"slices"
	"strings"
)

// leftOut returns why docs/openapi.md says that an operation may be denied
// although a key could call it, under "What is left out", or "".
func (r reading) leftOut(op *operation, text string, sets [][]string) string {
	t := newTemplate(text)
	switch {
	case op.method == "TRACE":
		return "TRACE"
	case t.cut:
		return "a query or a fragment in the path"
	case len(text) > 1024:
		return "a pattern of more than 1,024 bytes"
	case len(sets) > 16:
		return "more than 16 alternatives"
	}
	for _, set := range sets {
		if len(set) > 64 {
			return "more than 64 scopes"
		}
	}
	parts := strings.Split(strings.TrimPrefix(parameter.ReplaceAllString(text, "\x00"), "/"), "/")
	for i, part := range parts {
		if why := leftOutSegment(part, i == len(parts)-1); why != "" {
			return why
		}
	}
	for part := range strings.SplitSeq(text, "/") {
		if len(part) > 255 {
			return "a segment of more than 255 bytes"
		}
	}
	return ""
}

// leftOutSegment looks at a segment whose parameters are zero bytes.
func leftOutSegment(part string, last bool) string {
	switch {
	case part == "":
		if !last {
			return "an empty segment"
		}
		return ""
	case part == "*" && last:
		return ""
	case strings.Trim(part, ".") == "" || strings.Trim(part, "+ .") == "":
		return "a segment of dots"
	case strings.Contains(part, "\x00\x00"):
		return "two parameters in a row"
	case strings.ContainsAny(part, `;\`) || strings.Contains(strings.ToLower(part), "%2f"):
		return "a path that no request may have"
	}
	for i := range len(part) {
		c := part[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if c != 0 && !letter && (c < '0' || '9' < c) && strings.IndexByte("-._~!$&'()+,=:@", c) < 0 {
			return "characters that must be percent-encoded"
		}
	}
	return ""
}

// likeAnother follows "a path of which every request looks like one of another
// path": a literal that is left of a segment without its format.
func (p *paths) likeAnother(t *template, method string) bool {
	parts := split(t.fill(allPlain))
	for i := range t.segments {
		s := &t.segments[i]
		if s.match == nil {
			continue
		}
		for dot := range s.texts[0] {
			if s.texts[0][dot] != '.' {
				continue
			}
			other := slices.Clone(parts)
			other[i] = s.texts[0][:dot]
			for _, u := range p.root.find(other, nil) {
				if u.segments[i].literal() && (u.ops[method] != nil || method == "HEAD" && u.ops["GET"] != nil) {
					return true
				}
			}
		}
	}
	return false
}
