package apikey

import "time"

// Record is a key as the admin API and --json show it, without token and hash.
// Times are RFC 3339 in UTC; nil is written as null and means never. Lists are
// never null.
type Record struct {
	ID             ID         `json:"id"`
	Prefix         string     `json:"prefix"`
	Workspace      string     `json:"workspace"`
	Name           string     `json:"name"`
	Description    string     `json:"description"`
	Scopes         []string   `json:"scopes"`
	Status         Status     `json:"status"`
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      string     `json:"created_by"` // "" if nobody said
	ExpiresAt      *time.Time `json:"expires_at"`
	RevokedAt      *time.Time `json:"revoked_at"`
	LastUsedAt     *time.Time `json:"last_used_at"`
	Limits         Limits     `json:"limits"`
	AllowedOrigins []string   `json:"allowed_origins"`
	AllowedIPs     []string   `json:"allowed_ips"`
	RotatedFrom    ID         `json:"rotated_from"` // "" for none
	ReplacedBy     ID         `json:"replaced_by"`  // "" for none
}

// Record returns what may be shown of k at the instant now. A zero lastUsed means
// never.
func (k *Key) Record(now, lastUsed time.Time) Record {
	return Record{
		ID:             k.ID,
		Prefix:         k.Prefix,
		Workspace:      k.Workspace,
		Name:           k.Name,
		Description:    k.Description,
		Scopes:         append([]string{}, k.Scopes...),
		Status:         k.Status(now),
		CreatedAt:      storedTime(k.CreatedAt),
		CreatedBy:      k.CreatedBy,
		ExpiresAt:      timeOrNever(k.ExpiresAt),
		RevokedAt:      timeOrNever(k.RevokedAt),
		LastUsedAt:     timeOrNever(lastUsed),
		Limits:         k.Limits,
		AllowedOrigins: append([]string{}, k.AllowedOrigins...),
		AllowedIPs:     append([]string{}, k.AllowedIPs...),
		RotatedFrom:    k.RotatedFrom,
		ReplacedBy:     k.ReplacedBy,
	}
}

func timeOrNever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = storedTime(t)
	return &t
}
