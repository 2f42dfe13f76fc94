package apikey

// MaxWorkspaceLimit is the highest limit of a workspace that is accepted.
const MaxWorkspaceLimit = 1_000_000_000

// WorkspaceLimits limits the use of all keys of one workspace together. A limit
// of 0 means not limited.
type WorkspaceLimits struct {
	PerMinute uint32 `json:"per_minute,omitempty"` // 1–1,000,000,000; also the size of the bucket
	PerDay    uint32 `json:"per_day,omitempty"`    // 1–1,000,000,000
}

// IsZero reports whether neither limit is set.
func (l WorkspaceLimits) IsZero() bool { return l == WorkspaceLimits{} }

// Limits converts the limits to the type of a key's limits. Zero there means not
// limited.
func (l WorkspaceLimits) Limits() Limits {
	return Limits{PerMinute: l.PerMinute, Burst: l.PerMinute, PerDay: l.PerDay}
}

// Check refuses limits out of range. The error is a [*FieldError].
func (l WorkspaceLimits) Check() error {
	_, err := CheckWorkspaceLimits(orDefault(l.PerMinute), orDefault(l.PerDay))
	return err
}

// WorkspaceUsage is what all keys of a workspace were charged on one UTC day. As
// in [Usage], the count is the day's total.
type WorkspaceUsage struct {
	Workspace string
	Day       Day
	Charged   uint64
}

// CheckWorkspaceLimits turns requested limits into those of a workspace. A nil
// limit means not limited. Each is 1 to 1,000,000,000. Zero is refused, so that
// nobody who means to close a workspace opens it. The error is a [*FieldError]
// for "per_minute" or "per_day".
func CheckWorkspaceLimits(perMinute, perDay *int64) (WorkspaceLimits, error) {
	minute, err := checkLimit("per_minute", perMinute, 0, MaxWorkspaceLimit)
	if err != nil {
		return WorkspaceLimits{}, err
	}
	day, err := checkLimit("per_day", perDay, 0, MaxWorkspaceLimit)
	if err != nil {
		return WorkspaceLimits{}, err
	}
	return WorkspaceLimits{PerMinute: minute, PerDay: day}, nil
}

// CheckWorkspace accepts the name of a workspace: a letter or digit, then up to
// 63 of A-Z, a-z, 0-9, dot, underscore and hyphen. The error is a [*FieldError]
// for "workspace".
func CheckWorkspace(name string) error {
	const accepted = "a letter or digit, then up to 63 of A-Z, a-z, 0-9, dot, underscore and hyphen"
	if name == "" {
		return &FieldError{Field: "workspace", Problem: "is empty", Accepted: accepted}
	}
	if ContainsToken(name) {
		return tokenInside("workspace", accepted)
	}
	ok := len(name) <= MaxWorkspaceLen && isBase62(name[:1])
	for i := 0; ok && i < len(name); i++ {
		ok = isBase62(name[i:i+1]) || isWorkspaceMark(name[i])
	}
	if !ok {
		return &FieldError{Field: "workspace", Problem: Quote(name) + " is not a workspace", Accepted: accepted}
	}
	return nil
}

func isWorkspaceMark(c byte) bool { return c == '.' || c == '_' || c == '-' }
