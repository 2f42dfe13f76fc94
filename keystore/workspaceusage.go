package keystore

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The use of a workspace has one field, of those of a key's use: what was
// charged. It is stored under the day, as usageKey writes it, and the workspace.

func togetherKey(day apikey.Day, workspace string) []byte {
	return append(appendDay(make([]byte, 0, dayLen+len(workspace)), day), workspace...)
}

func appendDay(b []byte, day apikey.Day) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(day)^1<<31)
}

// saveTogether never lowers a total, as saveUsage.
func saveTogether(tx *bolt.Tx, u apikey.WorkspaceUsage) error {
	days, name := tx.Bucket(bucketTogetherUsage), togetherKey(u.Day, u.Workspace)
	if value := days.Get(name); value != nil {
		if have, err := decodeTogether(name, value); err == nil {
			u.Charged = max(u.Charged, have.Charged)
		}
	}
	return days.Put(name, seal(bucketTogetherUsage, name, appendVarint(newSealed(8), fieldCharged, u.Charged)))
}

// decodeTogether returns the day and the workspace also where the value does
// not verify.
func decodeTogether(name, value []byte) (apikey.WorkspaceUsage, error) {
	if len(name) <= dayLen || apikey.CheckWorkspace(string(name[dayLen:])) != nil {
		return apikey.WorkspaceUsage{}, fmt.Errorf("%w: the use of a workspace is stored under the name %s", ErrDamaged, quoteName(name))
	}
	u := apikey.WorkspaceUsage{Workspace: string(name[dayLen:]), Day: apikey.Day(binary.BigEndian.Uint32(name) ^ 1<<31)}
	fields, err := unseal(bucketTogetherUsage, name, value)
	if err == nil {
		err = eachField(fields, func(field protowire.Number, v uint64) bool {
			u.Charged = v
			return field == fieldCharged
		}, func(protowire.Number, []byte) bool { return false })
	}
	if err != nil {
		return u, fmt.Errorf("the use of workspace %s on %s: %w", u.Workspace, u.Day, err)
	}
	return u, nil
}
