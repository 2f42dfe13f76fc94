package doctor

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// checkConfig compares the config that runs with the file on disk, which the next
// start or reload would take.
func checkConfig(f *Facts) lines {
	c := &f.Config
	validate := "caddy validate --config " + Quote(c.File)
	switch {
	case c.File == "":
		return skipped("name it with --config", "no config file was named, and there is no Caddyfile in this folder")
	case c.Broken != "":
		return fail(validate+"; "+validatesWhy, "%s cannot be loaded any more (%s); what runs goes on until a restart", c.File, c.Broken)
	case c.Running == nil:
		return skipped("see socket and health", "which config runs is not known")
	}
	where := different(c.Running, c.Adapted)
	if len(where) == 0 && c.Unread != "" {
		return skipped("see health", "the routes that run are not known: %s", c.Unread)
	}
	if len(where) == 0 && !c.Stale {
		return ok("what runs is what is in %s", c.File)
	}
	but := ""
	if c.Env {
		but = "; or its {$VARIABLES} have other values here than where the gateway was started"
	}
	if len(where) == 0 {
		return fail(c.Reload+" --force", "a document that %s names has changed since it was loaded", c.File)
	}
	return fail(c.Reload, "%s is not what runs (%s)%s", c.File, strings.Join(where, ", "), but)
}

const validatesWhy = "it says why"

// Of the places where configs differ, so many are named, and so deep. No value is
// named, and no name that could be one.
const (
	mostPlaces   = 3
	deepestPlace = 5
)

// different returns where two configs differ.
func different(one, other any) []string {
	var found []string
	seen := make(map[string]bool)
	var compare func(a, b any, at []string)
	compare = func(a, b any, at []string) {
		if reflect.DeepEqual(a, b) {
			return
		}
		before := len(seen)
		if len(at) < deepestPlace {
			x, isMap := a.(map[string]any)
			y, otherIsMap := b.(map[string]any)
			if isMap && otherIsMap {
				both := maps.Clone(x)
				maps.Copy(both, y)
				for _, name := range slices.Sorted(maps.Keys(both)) {
					if isPlain(name) {
						compare(x[name], y[name], append(slices.Clip(at), name))
					} else if !reflect.DeepEqual(x[name], y[name]) {
						note(at, seen, &found)
					}
				}
			}
			xs, isList := a.([]any)
			ys, otherIsList := b.([]any)
			if isList && otherIsList && len(xs) == len(ys) {
				for i := range xs {
					compare(xs[i], ys[i], append(slices.Clip(at), strconv.Itoa(i)))
				}
			}
		}
		if len(seen) == before {
			note(at, seen, &found)
		}
	}
	compare(one, other, nil)
	if len(found) > mostPlaces {
		found = append(found[:mostPlaces], "and more")
	}
	return found
}

func note(at []string, seen map[string]bool, found *[]string) {
	place := strings.Join(at, ".")
	if place == "" {
		place = "as a whole"
	}
	if !seen[place] {
		seen[place] = true
		*found = append(*found, place)
	}
}

// isPlain reports whether a name in a config is one of a setting, and not of
// something that somebody has made up.
func isPlain(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
