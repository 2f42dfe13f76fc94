package webhook

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// The events, by the action in the trail that they tell of. EventLeaked tells of the
// reason of an entry, beside what its action tells.
const (
	EventExpiring = "key.expiring"
	EventImported = "key.imported"
	EventLeaked   = "key.leaked"
	EventLimits   = "workspace.limits_changed"
)

var eventOf = map[string]string{
	"create":   "key.created",
	"update":   "key.updated",
	"rotate":   "key.rotated",
	"revoke":   "key.revoked",
	"disable":  "key.disabled",
	"enable":   "key.enabled",
	"delete":   "key.deleted",
	"import":   EventImported,
	"expiring": EventExpiring,
	"limit":    EventLimits,
	"unlimit":  EventLimits,
}

// reasonLeaked is the reason of entries about keys that leaked.
const reasonLeaked = "leaked"

// allEvents are sorted.
var allEvents = func() []string {
	all := append(slices.Collect(maps.Values(eventOf)), EventLeaked)
	slices.Sort(all)
	return slices.Compact(all)
}()

// AllEvents are the names of the events, sorted.
func AllEvents() []string { return slices.Clone(allEvents) }

// event is the body of a message.
type event struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data data      `json:"data"`
}

// data says what happened to whom, and no more: a receiver that wants more asks the
// admin API. It has no name and no description, which people write.
type data struct {
	Key       string `json:"key_id,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	Workspace string `json:"workspace,omitempty"`
	By        string `json:"by,omitempty"`
	Claimed   bool   `json:"by_claimed,omitempty"`
	Via       string `json:"via,omitempty"` // api, unix, console or offline: no addresses

	Changed          []string   `json:"changed,omitempty"`            // of an update: names of fields
	RotatedFrom      string     `json:"rotated_from,omitempty"`       // of a creation
	ReplacedBy       string     `json:"replaced_by,omitempty"`        // of a rotation: the new key
	ReplacedByPrefix string     `json:"replaced_by_prefix,omitempty"` // of a rotation
	Days             int        `json:"days,omitempty"`               // of an expiry: how many are left
	ExpiresAt        *time.Time `json:"expires_at,omitempty"`         // of an expiry
	Done             string     `json:"done,omitempty"`               // of a leak: reported, disabled or revoked
	Keys             int        `json:"keys,omitempty"`               // of an import: how many
}

// importRun is how many entries of an import are told in one message at most. Runs end
// at multiples of it, so that the same ones are told again from a restored backup.
const importRun = 500

// keyOf returns a key as it is now, and whether there is one. An error is one of the
// store.
type keyOf func(apikey.ID) (apikey.Key, bool, error)

// messages makes the messages about entries for a hook.
func (h *Hook) messages(entries []keystore.PlacedEntry, key keyOf) ([]keystore.Message, error) {
	var made []keystore.Message
	for i := 0; i < len(entries); {
		e := &entries[i]
		n := runOf(entries[i:])
		for _, name := range eventsOf(e) {
			if !h.wants(name) {
				continue
			}
			m, err := message(e, name, n, key)
			if err != nil {
				return nil, err
			}
			made = append(made, m)
		}
		i += n
	}
	return made, nil
}

// runOf is how many of the entries, from the first on, one message is about.
func runOf(entries []keystore.PlacedEntry) int {
	first, n := &entries[0], 1
	for ; first.Action == "import" && n < len(entries); n++ {
		e := &entries[n]
		if e.Action != first.Action || e.Seq%importRun == 0 || !e.At.Equal(first.At) || e.By != first.By || e.Claimed != first.Claimed || e.Via != first.Via {
			break
		}
	}
	return n
}

// eventsOf returns the types of the events that an entry tells of.
func eventsOf(e *keystore.PlacedEntry) (names []string) {
	if name, ok := eventOf[e.Action]; ok {
		names = append(names, name)
	}
	if e.Reason == reasonLeaked {
		names = append(names, EventLeaked)
	}
	return names
}

func message(e *keystore.PlacedEntry, name string, entries int, key keyOf) (keystore.Message, error) {
	via, _, _ := strings.Cut(e.Via, " ")
	v := event{Type: name, At: e.At.UTC().Truncate(time.Second), Data: data{Workspace: e.Of, By: e.By, Claimed: e.Claimed, Via: via}}
	switch {
	case name == EventImported:
		v.Data.Keys, v.Data.Workspace = entries, ""
	case !e.Key.IsZero():
		if err := v.Data.aboutKey(e, name, key); err != nil {
			return keystore.Message{}, err
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return keystore.Message{}, fmt.Errorf("the message about entry %d: %w", e.Seq, err)
	}
	return keystore.Message{MessageName: keystore.MessageName{Seq: e.Seq, Kind: name}, ID: idOf(e, name), At: e.At, Body: body}, nil
}

func (d *data) aboutKey(e *keystore.PlacedEntry, name string, key keyOf) error {
	d.Key = e.Key.String()
	k, found, err := key(e.Key)
	if err != nil {
		return err
	}
	d.Prefix = k.Prefix
	if !found {
		d.Prefix = fieldOf(e, "prefix")
	}
	if d.Workspace == "" {
		d.Workspace = k.Workspace
	}
	switch name {
	case "key.created":
		d.RotatedFrom = fieldOf(e, "rotated_from")
	case "key.updated":
		d.Changed = slices.Sorted(maps.Keys(e.Changes))
	case "key.rotated":
		d.ReplacedBy = fieldOf(e, "replaced_by")
		if id, err := apikey.ParseID(d.ReplacedBy); err == nil {
			successor, _, err := key(id)
			if err != nil {
				return err
			}
			d.ReplacedByPrefix = successor.Prefix
		}
	case EventExpiring:
		d.Days, _ = strconv.Atoi(strings.TrimSuffix(e.Reason, "d"))
		if found && !k.ExpiresAt.IsZero() {
			at := k.ExpiresAt.UTC()
			d.ExpiresAt = &at
		}
	case EventLeaked:
		d.Done = map[string]string{"revoke": "revoked", "disable": "disabled"}[e.Action]
		if d.Done == "" {
			d.Done = "reported"
		}
	}
	return nil
}

// fieldOf returns what a change has set a field to, or what it was where it is gone.
func fieldOf(e *keystore.PlacedEntry, field string) string {
	change := e.Changes[field]
	if to, ok := change.To.(string); ok {
		return to
	}
	from, _ := change.From.(string)
	return from
}

// idOf is the ID of a message. It follows from what the entry says, not from its number
// alone: where a backup is restored, or an engine has lost its last changes, another
// entry gets that number, and a receiver that remembers IDs must not take it for the
// first. Whoever tells the same entry again tells it under the same ID.
func idOf(e *keystore.PlacedEntry, name string) string {
	said := fmt.Sprintf("%d %s %s %s %s %s %q %q", e.Seq, e.At.UTC().Format(time.RFC3339Nano), e.Action, e.Key, e.Workspace, name, e.By, e.Reason)
	sum := sha256.Sum256([]byte(said))
	const chars = 26
	text := new(big.Int).SetBytes(sum[:]).Text(62)
	return "msg_" + text[len(text)-chars:]
}
