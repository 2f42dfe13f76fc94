package command

import (
	"errors"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// warnOfLoss says what a restore of the backup would undo. Most important are the
// keys that would work again.
func (c *cli) warnOfLoss(backup string, old *replaced) error {
	then, err := keystore.ReadBolt(backup)
	if err != nil {
		return err
	}
	defer then.Close()
	made, err := lastChange(then)
	if err != nil {
		return err
	}
	if old.store == nil {
		c.Note("the last change in the backup was made %s", c.changeTime(made))
		return nil
	}
	last, err := lastChange(old.store)
	if err != nil {
		return err
	}
	c.Note("the last change in the backup was made %s, in the store %s", c.changeTime(made), c.changeTime(last))
	if last.Seq > made.Seq {
		c.Note("warning: %s of the store will be lost", english.Plural(int(last.Seq-made.Seq), "change"))
	}
	return c.warnOfReturns(then, old.store)
}

// lastChange returns the newest audit entry, or a zero entry if there is none.
func lastChange(store keystore.Store) (keystore.AuditEntry, error) {
	page, err := store.Audit(keystore.AuditQuery{Limit: 1})
	if err != nil || len(page.Entries) == 0 {
		return keystore.AuditEntry{}, err
	}
	return page.Entries[0], nil
}

func (c *cli) changeTime(e keystore.AuditEntry) string {
	if e.At.IsZero() {
		return "never"
	}
	return term.FullTime(&e.At, c.Now())
}

// warnOfReturns names each key in the backup that was restricted since, and
// counts the keys that the backup does not have.
func (c *cli) warnOfReturns(then, now keystore.Store) error {
	var q keystore.Query
	q.Limit = keystore.MaxPage
	common := 0
	for {
		page, err := then.List(q)
		if err != nil {
			return err
		}
		for i := range page.Keys {
			k := &page.Keys[i]
			current, err := now.Get(k.ID)
			switch {
			case errors.Is(err, keystore.ErrNotFound):
				c.noteReturn(k, "deleted")
			case errors.Is(err, keystore.ErrDamaged):
				common++
			case err != nil:
				return err
			default:
				common++
				if since := takenBack(k, &current); since != "" {
					c.noteReturn(k, since)
				}
			}
		}
		if page.Next.IsZero() {
			break
		}
		q.After = page.Next
	}
	if lost := keystore.Total(now.Counts(c.Now())) - common; lost > 0 {
		c.Note("warning: %s not in the backup, and will be refused", english.Count(lost, "key is", "keys are"))
	}
	return nil
}

func (c *cli) noteReturn(k *apikey.Key, since string) {
	c.Note("warning: %s (%s, workspace %s) was %s since", k.Prefix, k.Name, k.Workspace, since)
}

// takenBack says what has restricted a key since then, or returns "".
func takenBack(then, now *apikey.Key) string {
	var done []string
	if then.RevokedAt.IsZero() && !now.RevokedAt.IsZero() {
		done = append(done, "revoked")
	}
	if !then.Disabled && now.Disabled {
		done = append(done, "disabled")
	}
	if !now.ExpiresAt.IsZero() && (then.ExpiresAt.IsZero() || now.ExpiresAt.Before(then.ExpiresAt)) {
		done = append(done, "set to expire at "+now.ExpiresAt.Format(time.RFC3339))
	}
	return strings.Join(done, ", ")
}
