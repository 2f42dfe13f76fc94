package adminapi

import (
	"errors"
	"fmt"
	"slices"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// Authority is what one caller may do: in which workspace, which operations, and
// within which bounds. A call without one, as behind Caddy's admin endpoint, may
// do everything. See [Server.Do].
type Authority struct {
	// Workspace is the one whose keys there are for the caller, or AllWorkspaces.
	// All other keys do not exist for the caller.
	Workspace string

	// Actor is who calls, by the rules of [apikey.CheckActor]. The audit trail
	// and the keys that are made record it.
	Actor string

	Via string // how the caller came, for the audit trail

	May    []Verb // what is not listed is refused
	Bounds Bounds // on every key that the caller makes or changes
}

// AllWorkspaces as the workspace of an [Authority] means every workspace.
const AllWorkspaces = "*"

// Verb names a group of operations that a caller may do or not.
type Verb string

// The verbs. What an [Authority] may always do is ask for its policy, for the
// scopes that there are and for the API's document.
const (
	VerbList    Verb = "list"    // list and show keys
	VerbCreate  Verb = "create"  // make keys
	VerbUpdate  Verb = "update"  // change settings of keys; with AllWorkspaces also limits of workspaces
	VerbRotate  Verb = "rotate"  // replace a key by a successor
	VerbDisable Verb = "disable" // disable keys, and enable them again
	VerbRevoke  Verb = "revoke"  // end keys for good
	VerbDelete  Verb = "delete"  // delete keys
	VerbUsage   Verb = "usage"   // see how much keys are used
	VerbHistory Verb = "history" // see who changed what
	VerbExplain Verb = "explain" // ask whether a request would pass
)

// verbAny is of operations that no authority is without.
const verbAny Verb = "any"

// Verbs returns all verbs.
func Verbs() []Verb {
	return []Verb{VerbList, VerbCreate, VerbUpdate, VerbRotate, VerbDisable, VerbRevoke, VerbDelete, VerbUsage, VerbHistory, VerbExplain}
}

// Check refuses an authority that names nobody or no workspace. It never widens:
// a name that is not valid is nobody's.
func (a *Authority) Check() error {
	if a.Workspace != AllWorkspaces {
		if err := apikey.CheckWorkspace(a.Workspace); err != nil {
			return err
		}
	}
	if a.Actor == "" {
		return &apikey.FieldError{Field: "actor", Problem: "is empty", Accepted: "who calls, 1 to 200 characters"}
	}
	return apikey.CheckActor(a.Actor)
}

// may refuses an operation that the caller may not do. No authority may do
// everything.
func (a *Authority) may(verb Verb) error {
	if a == nil || verb == verbAny || slices.Contains(a.May, verb) {
		return nil
	}
	return &ForbiddenError{Reason: fmt.Sprintf("you may not %s here; you may %s", verb.doing(), a.allowed())}
}

// has reports whether an operation exists for the caller.
func (a *Authority) has(o operation) bool {
	if a == nil {
		return true
	}
	return o.verb != "" && (!o.everywhere || a.Workspace == AllWorkspaces)
}

func (a *Authority) allowed() string {
	if len(a.May) == 0 {
		return "only look at the policy"
	}
	var doing []string
	for _, verb := range a.May {
		doing = append(doing, verb.doing())
	}
	return english.And(doing)
}

// doing says what a verb does, as it follows "you may".
func (v Verb) doing() string {
	switch v {
	case VerbUsage:
		return "see the use of keys"
	case VerbHistory:
		return "see the history of keys"
	case VerbExplain:
		return "ask whether a request would pass"
	default:
		return string(v) + " keys"
	}
}

// sees reports whether keys of a workspace exist for the caller.
func (a *Authority) sees(workspace string) bool {
	return a == nil || a.Workspace == AllWorkspaces || a.Workspace == workspace
}

// one returns the workspace of a caller that sees one alone.
func (a *Authority) one() (workspace string, ok bool) {
	if a == nil || a.Workspace == AllWorkspaces {
		return "", false
	}
	return a.Workspace, true
}

// workspaceFor returns the workspace of a new key. A caller that sees one
// workspace need not name it, and no other exists.
func (c *call) workspaceFor(req *KeyRequest) (string, error) {
	own, ok := c.authority.one()
	switch {
	case ok && req.Workspace != nil && *req.Workspace != own:
		return "", &BoundError{"workspace", "keys are made in your workspace alone", own + ", or no workspace"}
	case ok:
		return own, nil
	case req.Workspace == nil:
		return "", nil
	}
	return *req.Workspace, nil
}

// live returns how many live keys a workspace has.
func (c *call) live(workspace string) (live int, err error) {
	now := c.now()
	for q := (keystore.Query{Workspace: workspace, Now: now, Limit: keystore.MaxPage}); ; {
		page, err := c.store.List(q)
		if err != nil {
			return 0, err
		}
		for i := range page.Keys {
			if page.Keys[i].Live(now) {
				live++
			}
		}
		if page.Next.IsZero() {
			return live, nil
		}
		q.After = page.Next
	}
}

// find refuses a key that does not exist for the caller, in the words and with
// the work of one that does not exist at all. It reads the stored record, because
// a look-up tells by its time whether a gateway of a fleet has the key in memory.
// Nobody knows whose a damaged record is, so it is nobody's.
func (c *call) find(id apikey.ID) error {
	if _, ok := c.authority.one(); !ok {
		return nil // the store itself says what is not there
	}
	k, err := c.store.Get(id)
	if errors.Is(err, keystore.ErrDamaged) || err == nil && !c.authority.sees(k.Workspace) {
		return fmt.Errorf("%s: %w", id, keystore.ErrNotFound)
	}
	return err
}

// ForbiddenError refuses what the caller may not do at all.
type ForbiddenError struct{ Reason string }

func (e *ForbiddenError) Error() string { return e.Reason }

// visibleGrants are the grants of one workspace. A token of another one is
// unknown.
type visibleGrants struct {
	keystore.Grants
	authority *Authority
}

func (g visibleGrants) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	return g.seen(g.Grants.Lookup(id))
}

func (g visibleGrants) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	id, grant, found, err := g.Grants.LookupOpaque(hash)
	if grant, found, err = g.seen(grant, found, err); !found {
		id = apikey.ID{}
	}
	return id, grant, found, err
}

func (g visibleGrants) seen(grant apikey.Grant, found bool, err error) (apikey.Grant, bool, error) {
	if err != nil || !found || !g.authority.sees(grant.Workspace) {
		return apikey.Grant{}, false, err
	}
	return grant, true, nil
}
