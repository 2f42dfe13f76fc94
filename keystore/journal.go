package keystore

import (
	"encoding/binary"
	"fmt"
	"math"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The journal holds the use that was saved lately. A gateway saves what thousands of
// keys did every second, and would write a page of the file for nearly each of them.
// So a save appends what it has in one piece, and once a minute the fold adds all of
// it to the records of the keys, see [Bolt.foldStep].
//
// Entries are totals of days, as [Store.SaveUsage] is told them, never differences:
// adding one twice is adding it once, in whatever order. So a fold that a crash ended
// is begun anew, and readers add what is not folded to what they read.
//
// A save is up to three runs: of keys, of what was seen of them, of workspaces. A run
// has one number and one day, and its entries are sorted by name. It is stored in
// parts, so that adding to the journal does not copy much of what is there:
//
//	name  number (8 bytes, big endian), kind (1 byte), day (see appendDay), name of the first entry
//	value sealed: for each entry its name and its fields, each as bytes with their length before them
//
// Entries with the same name are in one part.
const (
	kindKeys       = 'k' // ID → the fields of a usage record
	kindSeen       = 's' // ID → fieldSightedNetwork, fieldSightedScope
	kindWorkspaces = 'w' // workspace → fieldCharged
)

const (
	numberLen  = 8
	runLen     = numberLen + 1 + dayLen // before the name of the first entry
	partLength = 16 << 10               // bytes from which on a part is complete
)

// The fields of what was seen of the use of a key.
const (
	fieldSightedNetwork protowire.Number = 1 // varint, see apikey.Network
	fieldSightedScope   protowire.Number = 2 // string, repeated
)

func appendSighting(b []byte, s *apikey.Sighting) []byte {
	b = appendVarint(b, fieldSightedNetwork, uint64(s.Network))
	for scope := range s.Names {
		b = appendString(b, fieldSightedScope, scope)
	}
	return b
}

func decodeSighting(fields []byte) (*apikey.Sighting, error) {
	s := new(apikey.Sighting)
	var scopes []string
	err := eachField(fields, func(field protowire.Number, v uint64) bool {
		s.Network = apikey.Network(v)
		return field == fieldSightedNetwork && s.Network.Valid()
	}, func(field protowire.Number, v []byte) bool {
		scopes = append(scopes, string(v))
		return field == fieldSightedScope && apikey.CheckScope(string(v)) == nil
	})
	if err == nil && len(scopes) > apikey.MaxScopes {
		err = fmt.Errorf("%w: it names %d scopes", ErrDamaged, len(scopes))
	}
	s.Scopes, s.Needed = apikey.NewScopeSet(scopes), math.MaxUint64
	return s, err
}

// runOf reads the name of a part.
func runOf(name []byte) (number uint64, kind byte, day apikey.Day, ok bool) {
	if len(name) <= runLen {
		return 0, 0, 0, false
	}
	number, kind = binary.BigEndian.Uint64(name), name[numberLen]
	day = apikey.Day(binary.BigEndian.Uint32(name[numberLen+1:]) ^ 1<<31)
	switch kind {
	case kindKeys, kindSeen:
		ok = len(name) == runLen+apikey.IDLen
	case kindWorkspaces:
		ok = apikey.CheckWorkspace(string(name[runLen:])) == nil
	}
	return number, kind, day, ok
}

// partName says which part it is, to people.
func partName(name []byte) string {
	number, kind, _, ok := runOf(name)
	switch first := name[min(len(name), runLen):]; {
	case !ok:
		return quoteName(name)
	case kind == kindWorkspaces:
		return fmt.Sprintf("%d from workspace %s on", number, first)
	default:
		return fmt.Sprintf("%d from key %s on", number, keyName(first))
	}
}

// removeSightings removes what was seen of the use of keys.
func removeSightings(tx *bolt.Tx) error {
	parts := tx.Bucket(bucketJournal)
	if parts == nil { // the store's schema is older than this bucket
		return nil
	}
	var names [][]byte
	cursor := parts.Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		if _, kind, _, _ := runOf(name); kind == kindSeen {
			names = append(names, name)
		}
	}
	return deleteAll(parts, names)
}
