package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
)

// settings are what the form of a key shows, for a new one and for a change.
type settings struct {
	F             form
	Problems      problems
	Groups        []scopeGroup
	Expiries      []expiryChoice
	ExpiryHint    string // why the key may not keep what it has; "" if it may
	MaxDays       int
	Never         bool // keys may have no expiry
	PerMinute     adminapi.PolicyLimit
	PerDay        adminapi.PolicyLimit
	Origins       adminapi.Presence
	IPs           adminapi.Presence
	Client        string // the visitor's address; "": unknown
	LimitsOpen    bool
	PlacesOpen    bool
	ForAll        bool // the workspace is asked for
	LimitsSummary string
	PlacesSummary string
}

// scopeGroup are the scopes of one resource.
type scopeGroup struct {
	Name   string
	Scopes []scopeBox
}

// scopeBox is one scope to tick.
type scopeBox struct {
	ID      string // of the element
	Scope   string
	Meaning string
	Routes  []string
	Checked bool
	Gone    bool // the key has it, and keys here may not have it any more
}

type expiryChoice struct {
	Value, Label, Hint string
	Checked            bool
}

// settings returns the form, filled in. current is the key that is changed, nil
// for a new one.
func (v *visit) settings(f *form, found problems, current *apikey.Record) (settings, error) {
	s := settings{
		F: *f, Problems: found, PerMinute: v.policy.PerMinute, PerDay: v.policy.PerDay, Origins: v.policy.Origins, IPs: v.policy.IPs,
		ForAll: v.all() && current == nil, MaxDays: apikey.MaxExpiryDays, Never: !v.policy.Expiry.Required,
	}
	if v.policy.Expiry.MaxDays != nil {
		s.MaxDays = *v.policy.Expiry.MaxDays
	}
	if v.Client.IsValid() {
		s.Client = v.Client.Unmap().WithZone("").String()
	}
	scopes, err := ask[adminapi.ScopesResponse](v, adminapi.ScopesPath)
	if err != nil {
		return s, err
	}
	s.Groups = groupsOf(scopes.Scopes, f.Scopes, v.policy.Scopes)
	if current != nil {
		s.ExpiryHint = v.mayNotKeep(current)
	}
	s.Expiries = v.expiries(f, current, s.MaxDays)
	s.LimitsOpen = found.Any("per_minute", "per_day", "burst")
	s.PlacesOpen = found.Any("allowed_origins", "allowed_ips") || f.Origins != "" || f.IPs != "" || s.Origins == adminapi.Required || s.IPs == adminapi.Required
	s.LimitsSummary = fmt.Sprintf("%s a minute, %s a day", typedNumber(f.PerMinute, s.PerMinute.Default), typedNumber(f.PerDay, s.PerDay.Default))
	return s, nil
}

func typedNumber(text string, missing int64) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return number(n)
	}
	return number(missing)
}

// groupsOf returns the scopes to tick, by resource. What is ticked and not known
// comes last.
func groupsOf(known []adminapi.ScopeInfo, ticked, allowed []string) []scopeGroup {
	var groups []scopeGroup
	n := 0
	add := func(box scopeBox) {
		resource, _, _ := strings.Cut(box.Scope, ":")
		at := slices.IndexFunc(groups, func(g scopeGroup) bool { return g.Name == groupName(resource) })
		if at < 0 {
			at = len(groups)
			groups = append(groups, scopeGroup{Name: groupName(resource)})
		}
		n++
		box.ID = "scope-" + strconv.Itoa(n)
		groups[at].Scopes = append(groups[at].Scopes, box)
	}
	listed := make(map[string]bool)
	for _, info := range known {
		listed[info.Scope] = true
		add(scopeBox{Scope: info.Scope, Meaning: meaning(&info), Routes: info.Routes, Checked: slices.Contains(ticked, info.Scope)})
	}
	for _, scope := range allowed { // of a bound, and neither in the catalogue nor in the config
		if !listed[scope] {
			listed[scope] = true
			add(scopeBox{Scope: scope, Meaning: scopeWords(scope), Checked: slices.Contains(ticked, scope)})
		}
	}
	for _, scope := range ticked {
		if !listed[scope] && apikey.CheckScope(scope) == nil {
			listed[scope] = true
			add(scopeBox{Scope: scope, Meaning: scopeWords(scope), Checked: true, Gone: true})
		}
	}
	return groups
}

// groupName is what a resource is called.
func groupName(resource string) string {
	if resource == "ai" {
		return "AI"
	}
	return capital(strings.ReplaceAll(strings.ReplaceAll(resource, "_", " "), "-", " "))
}

func meaning(info *adminapi.ScopeInfo) string {
	if info.Description != "" {
		return info.Description
	}
	return scopeWords(info.Scope)
}

// scopeWords describes a scope that the API does not: one that may not be given
// here any more, or that nobody has described.
func scopeWords(scope string) string {
	for _, info := range apikey.Catalogue() {
		if info.Scope == scope {
			return info.Description
		}
	}
	resource, action, _ := strings.Cut(scope, ":")
	return groupName(action) + " " + strings.ToLower(groupName(resource))
}

// expiries returns the choices of expiry: usual ones, those of the operator, and
// in a change what the key has.
func (v *visit) expiries(f *form, current *apikey.Record, most int) []expiryChoice {
	days := []int{30, 90, 180, 365}
	for _, n := range []*int{v.policy.Expiry.DefaultDays, v.policy.Expiry.MaxDays} {
		if n != nil {
			days = append(days, *n)
		}
	}
	slices.Sort(days)
	days = slices.DeleteFunc(slices.Compact(days), func(n int) bool { return n > most })
	var list []expiryChoice
	if current != nil && v.mayNotKeep(current) == "" {
		keep := v.moment(current.ExpiresAt, "")
		label := "Keep: it never expires"
		if keep.ISO != "" {
			label = "Keep: " + date(*current.ExpiresAt)
		}
		list = append(list, expiryChoice{Value: expiryKeep, Label: label, Hint: keep.Text})
	}
	for _, n := range days {
		list = append(list, expiryChoice{Value: strconv.Itoa(n), Label: english.Plural(n, "day"), Hint: "until " + date(v.at.AddDate(0, 0, n))})
	}
	list = append(list, expiryChoice{Value: expiryCustom, Label: "Another number of days"})
	if !v.policy.Expiry.Required && (current == nil || current.ExpiresAt != nil) {
		list = append(list, expiryChoice{Value: expiryNever, Label: "Never", Hint: "only if nothing else will do"})
	}
	for i := range list {
		list[i].Checked = list[i].Value == f.Expiry
	}
	return list
}

// preset ticks boxes of the form for a usual task.
type preset struct {
	name, label, hint string
	scopes            []string
}

var presets = []preset{
	{"publishing", "Publishing bot", "writes and schedules posts", []string{"media:upload", "posts:read", "posts:write", "schedule:read", "schedule:write"}},
	{"reporting", "Reporting job", "reads numbers", []string{"analytics:read", "posts:read"}},
	{"reading", "Read only", "sees all, changes nothing", []string{"analytics:read", "connections:read", "feeds:read", "posts:read", "queue:read", "schedule:read"}},
	{"moderation", "Approvals", "approves and rejects posts", []string{"posts:approve", "posts:read"}},
}

func presetScopes(name string) []string {
	for _, p := range presets {
		if p.name == name {
			return slices.Clone(p.scopes)
		}
	}
	return nil
}

// presetLink is a preset that the visitor may choose.
type presetLink struct {
	Name, Label, Hint, Scopes string
	Chosen                    bool
}

// presets returns those of which every scope is allowed.
func (v *visit) presets(chosen string) (links []presetLink) {
	for _, p := range presets {
		if slices.ContainsFunc(p.scopes, func(s string) bool { return !slices.Contains(v.policy.Scopes, s) }) {
			continue
		}
		links = append(links, presetLink{p.name, p.label, p.hint, strings.Join(p.scopes, " "), p.name == chosen})
	}
	return links
}
