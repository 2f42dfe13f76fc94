package keystore

import (
	"fmt"

	"github.com/socialpatra/keygate/apikey"
)

// AdviceMade follows what is said of a store that was made, see [About].
const AdviceMade = ", which has no keys: if there should be some, correct the path or mount the volume, then restart"

// About says which store it is, for logs, metrics, and whoever asks which of
// several stores has answered. It has no secret.
type About struct {
	Kind   string // such as bbolt or redis
	Place  string // the path of the file as it was opened, or the engine's addresses and prefix
	Schema int    // the version of what is stored

	// Made is true if there was no store, so that it was made when it was opened.
	Made bool

	// UpgradedFrom is the schema that the store had before it was opened, if that was
	// an older one; otherwise it is 0.
	UpgradedFrom int

	// Warnings tell what is not as it should be with the place, and what to do.
	Warnings []string
}

// AdviceUpgraded follows what is said of a store that was upgraded.
const AdviceUpgraded = ": an older Keygate cannot open it any more, only a backup from before"

// Upgraded says that the store at path was upgraded.
func Upgraded(path string, from int) string {
	return fmt.Sprintf("upgraded %s from schema %d to %d%s", path, from, schemaVersion, AdviceUpgraded)
}

// Total returns how many keys there are, of what [Store.Counts] returns.
func Total(counts map[apikey.Status]int) (keys int) {
	for _, n := range counts {
		keys += n
	}
	return keys
}
