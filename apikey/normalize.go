package apikey

import "fmt"

// MaxAllowlist is how many origins, and how many addresses, one key may have.
const MaxAllowlist = 64

// Normalize checks the settings of a key and brings them into the form in which
// they are stored: scopes are sorted, origins and addresses are canonical,
// duplicates are removed, limits of zero get their defaults, and no list is nil.
//
// It does not ask whether the scopes are known, see [CheckKnown], nor whether the
// expiry lies ahead, see [ExpiryIn] and [ExpiryAt]: both may have changed since
// the key was made. The error is a [*FieldError], and k is then unchanged.
func (k *Key) Normalize() error { return k.NormalizeChange(new(Key)) }

// NormalizeChange is Normalize for a change of the stored key old. A name or
// description that does not change is accepted even if today's rules would refuse
// it: other changes must not fail because of it.
func (k *Key) NormalizeChange(old *Key) error {
	if err := CheckWorkspace(k.Workspace); err != nil {
		return err
	}
	if k.Name == "" || k.Name != old.Name {
		if err := checkText("name", k.Name, 1, MaxNameLen); err != nil {
			return err
		}
	}
	if k.Description != old.Description {
		if err := checkText("description", k.Description, 0, MaxDescriptionLen); err != nil {
			return err
		}
	}
	if k.CreatedBy != old.CreatedBy {
		if err := checkText("created_by", k.CreatedBy, 0, MaxActorLen); err != nil {
			return err
		}
	}
	scopes, err := normalScopes(k.Scopes)
	if err != nil {
		return err
	}
	limits, err := CheckLimits(orDefault(k.Limits.PerMinute), orDefault(k.Limits.PerDay), orDefault(k.Limits.Burst))
	if err != nil {
		return err
	}
	origins, err := normalList("allowed_origins", k.AllowedOrigins, func(s string) (string, error) {
		o, err := ParseOrigin(s)
		return o.String(), err
	})
	if err != nil {
		return err
	}
	ips, err := normalList("allowed_ips", k.AllowedIPs, func(s string) (string, error) {
		p, err := ParseIP(s)
		return FormatIP(p), err
	})
	if err != nil {
		return err
	}
	k.Scopes, k.Limits, k.AllowedOrigins, k.AllowedIPs = scopes, limits, origins, ips
	return nil
}

// normalList returns the canonical forms of list in the same order, without
// duplicates, and never nil.
func normalList(field string, list []string, canonical func(string) (string, error)) ([]string, error) {
	if err := checkCount(field, len(list), MaxAllowlist); err != nil {
		return nil, err
	}
	normal := make([]string, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		c, err := canonical(s)
		if err != nil {
			return nil, err
		}
		if !seen[c] {
			seen[c] = true
			normal = append(normal, c)
		}
	}
	return normal, nil
}

func checkCount(field string, n, most int) error {
	if n > most {
		return &FieldError{Field: field, Problem: fmt.Sprintf("has %d entries", n), Accepted: fmt.Sprintf("at most %d", most)}
	}
	return nil
}
