package keystore

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// SaveUsage implements [Store]. It appends to the journal, in one transaction, and
// folds the journal when it is time to. A damaged record that the fold comes upon is
// dropped, and told as an error although all was saved: what it held may be lost.
func (b *Bolt) SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	if len(keys)+len(workspaces) == 0 && !b.closed.Load() {
		return nil
	}
	slices.SortFunc(workspaces, func(a, b apikey.WorkspaceUsage) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Workspace, b.Workspace))
	})
	if err := b.appendUse(keys, workspaces); err != nil {
		return err
	}
	return b.foldDue()
}

func (b *Bolt) appendUse(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.order = sortUse(b.order, keys)
	size := 0
	err := b.commit(func(tx *bolt.Tx) (err error) {
		size, err = appendUse(tx, keys, b.order, workspaces)
		return err
	})
	if err == nil {
		b.journaled += max(size, foldBytes/foldSaves)
	}
	return err
}

// raise raises each total of u to that of other if it is higher.
func raise(u, other *apikey.Usage) {
	u.Charged = max(u.Charged, other.Charged)
	u.Allowed = max(u.Allowed, other.Allowed)
	u.Limited = max(u.Limited, other.Limited)
	u.Denied = max(u.Denied, other.Denied)
	u.LastUsed = max(u.LastUsed, other.LastUsed)
}

// saveUsage never lowers a total: a stored count was charged, and a late or
// damaged batch must not give it back.
func saveUsage(r *useRecords, u apikey.Usage) error {
	name := usageKey(u.Day, u.ID)
	used := u.LastUsed != 0
	if !r.hasKey(u.ID) { // use does not outlive its key
		if u.Charged == 0 || r.users(u.ID) == 0 {
			return nil
		}
		u, used = chargeOf(u), false
	}
	if value := r.getUsage(name); value != nil {
		// A record that does not verify is replaced, because totals do not depend
		// on earlier records.
		if have, err := decodeUsage(name, value); err == nil {
			used = u.LastUsed > have.LastUsed // otherwise saveLastUsed has seen it already
			raise(&u, &have)
		}
	}
	if err := r.put(bucketUsage, name, encodeUsage(name, &u)); err != nil || !used {
		return err
	}
	return saveLastUsed(r, u.ID, u.LastUsed)
}

func saveLastUsed(r *useRecords, id apikey.ID, seconds int64) error {
	if value := r.get(bucketLastUsed, id[:]); value != nil {
		if have, err := decodeLastUsed(id, value); err == nil && have.Unix() >= seconds {
			return nil
		}
	}
	return r.put(bucketLastUsed, id[:], encodeLastUsed(id, seconds))
}

// The use of a workspace is one field of those of a key's use: what was charged.
// It is stored under the day, as usageKey writes it, and the name of the
// workspace.

func togetherKey(day apikey.Day, workspace string) []byte {
	return append(appendDay(make([]byte, 0, dayLen+len(workspace)), day), workspace...)
}

func appendDay(b []byte, day apikey.Day) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(day)^1<<31)
}

// saveTogether never lowers a total, like saveUsage.
func saveTogether(r *useRecords, u apikey.WorkspaceUsage) error {
	name := togetherKey(u.Day, u.Workspace)
	if value := r.get(bucketTogetherUsage, name); value != nil {
		if have, err := decodeTogether(name, value); err == nil {
			u.Charged = max(u.Charged, have.Charged)
		}
	}
	return r.put(bucketTogetherUsage, name, seal(bucketTogetherUsage, name, appendVarint(newSealed(8), fieldCharged, u.Charged)))
}

// decodeTogether returns the day and the workspace even if the value does not
// verify.
func decodeTogether(name, value []byte) (apikey.WorkspaceUsage, error) {
	if len(name) <= dayLen || apikey.CheckWorkspace(string(name[dayLen:])) != nil {
		return apikey.WorkspaceUsage{}, fmt.Errorf("%w: the use of a workspace is stored under the name %s", ErrDamaged, quoteName(name))
	}
	u := apikey.WorkspaceUsage{Workspace: string(name[dayLen:]), Day: apikey.Day(binary.BigEndian.Uint32(name) ^ 1<<31)}
	fields, err := unseal(bucketTogetherUsage, name, value)
	if err == nil {
		err = decodeCharged(fields, &u)
	}
	if err != nil {
		return u, fmt.Errorf("the use of workspace %s on %s: %w", u.Workspace, u.Day, err)
	}
	return u, nil
}

func decodeCharged(fields []byte, u *apikey.WorkspaceUsage) error {
	return eachField(fields, func(field protowire.Number, v uint64) bool {
		u.Charged = v
		return field == fieldCharged
	}, func(protowire.Number, []byte) bool { return false })
}
