package doctor

import (
	"errors"
	"io/fs"
	"time"
)

// oldestBackup is how old the newest backup may be: a day, and an hour that it may
// take.
const oldestBackup = 25 * time.Hour

// checkBackups asks whether there is a way back.
func checkBackups(f *Facts) lines {
	folder := Quote(f.Backups)
	takeOne := "caddy keygate backup " + folder + "/keys-$(date +%FT%H%M).db" + f.Flags
	switch b := f.Backup; {
	case f.Backups == "":
		return skipped("name their folder: --backups /var/backups/keygate", "no folder of backups was named")
	case errors.Is(f.BackupErr, fs.ErrPermission), errors.Is(f.BackupBad, fs.ErrPermission):
		return skipped("run this command as the user who owns "+folder, "this user may not read %s", f.Backups)
	case f.BackupErr != nil:
		return fail("mkdir -p -m 0700 "+folder+"; "+takeOne, "%s cannot be read: %v", f.Backups, f.BackupErr)
	case b == nil:
		return fail(takeOne, "there is no backup in %s", f.Backups)
	case b.Err != nil:
		return fail(asRoot, "%v", b.Err)
	case f.BackupBad != nil:
		return fail(takeOne+"; and look why that one is bad", "the newest backup cannot be restored: %v", f.BackupBad)
	default:
		var found lines
		age := f.Now.Sub(b.ModTime)
		if age > oldestBackup {
			found.fail(takeOne+"; and look why none was made (/etc/cron.d/keygate)", "the newest backup, %s, is %s old", b.Path, age.Round(time.Hour))
		}
		if age < -storeSlack {
			found.fail(setClock, "the newest backup, %s, is from the future", b.Path)
		}
		return found.or(ok("the newest backup, %s, is %s old and can be restored", b.Path, age.Round(time.Minute)))
	}
}
