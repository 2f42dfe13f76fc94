package console

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// deeds are what was done with a key, as its history says it.
var deeds = map[string]string{
	"create":  "made the key",
	"import":  "imported the key",
	"update":  "changed the settings",
	"rotate":  "rotated it",
	"disable": "disabled it",
	"enable":  "enabled it",
	"revoke":  "revoked it for good",
	"delete":  "deleted it",
}

// warnings are the deeds of the gateway itself, by the reason of a warning that the
// key expires.
var warnings = map[string]string{
	"30d": "announced that it expires in 30 days",
	"14d": "announced that it expires in 14 days",
	"7d":  "announced that it expires in 7 days",
	"1d":  "announced that it expires in a day",
}

func (v *visit) historyEntry(e *keystore.AuditEntry) historyEntry {
	entry := historyEntry{At: momentAt(e.At, v.at), Who: e.By, Claimed: e.Claimed, Via: e.Via, What: doneWords(e)}
	if e.Action == "expiring" {
		entry.Who, entry.What = "Keygate", warnings[e.Reason]
	}
	if entry.What == "" {
		entry.What = e.Action
	}
	if e.Action == "create" || e.Action == "import" {
		return entry // every setting changes from nothing
	}
	for _, name := range slices.SortedFunc(maps.Keys(e.Changes), byFieldPlace) {
		if name == "status" || name == "revoked_at" {
			continue // the deed says it
		}
		change := e.Changes[name]
		entry.Changes = append(entry.Changes, changeWords{fieldLabel(name), valueWords(change.From), valueWords(change.To)})
	}
	return entry
}

// valueWords shows a value of a JSON record.
func valueWords(value any) string {
	switch value := value.(type) {
	case nil:
		return "none"
	case string:
		if value == "" {
			return "none"
		}
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			return fullTime(at)
		}
		return value
	case bool:
		return map[bool]string{true: "yes", false: "no"}[value]
	case float64:
		return number(int64(value)) // all numbers of a record are whole
	case []any:
		list := make([]string, len(value))
		for i := range value {
			list[i] = valueWords(value[i])
		}
		if len(list) == 0 {
			return "none"
		}
		return strings.Join(list, ", ")
	case map[string]any:
		var parts []string
		for _, name := range []string{"per_minute", "per_day", "burst"} {
			if n, ok := value[name]; ok {
				parts = append(parts, valueWords(n)+" "+limitLabels[name])
			}
		}
		return strings.Join(parts, ", ")
	default:
		return fmt.Sprint(value)
	}
}

var limitLabels = map[string]string{"per_minute": "a minute", "per_day": "a day", "burst": "at once"}
