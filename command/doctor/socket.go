package doctor

import (
	"errors"
	"io/fs"
	"slices"
)

// checkSocket asks whether keys can be managed, and by whom.
func checkSocket(f *Facts) lines {
	a, s := &f.Admin, &f.Socket
	switch {
	case a.Name == "":
		return skipped("name the gateway with --config or --address", "--db looks at a file alone")
	case a.Answers && s.Path == "":
		return f.judgeTCP()
	case a.Answers:
		return f.judgeMode()
	case errors.Is(s.DialErr, fs.ErrPermission) || errors.Is(s.Err, fs.ErrPermission):
		return skipped(asRoot, "this user may not speak to %s", f.endpoint())
	case a.Problem != "" && f.Store.Held && f.Process.PID == f.Store.Holder.PID:
		return fail(restart+"; if that takes long, systemctl kill -s KILL keygate", "%s accepts at %s, and gives no answer: %s", f.Process, f.endpoint(), a.Problem)
	case a.Problem != "":
		return fail("name the admin endpoint of the gateway with --address, or the config that has it with --config", "%s", a.Problem)
	case f.Store.Held && s.Path != "" && errors.Is(s.Err, fs.ErrNotExist):
		return fail(f.withoutSocket(), "%s is gone, as after a second \"caddy run\" of the same config, and %s goes on without it: no key can be revoked", s.Path, f.Store.Holder)
	case f.Store.Held:
		return fail(f.withoutSocket(), "nobody answers at %s, and %s holds the store: no key can be revoked", f.endpoint(), f.Store.Holder)
	case a.Guessed:
		return fail("name it with --address", "no gateway answers at %s, and the config that names the admin endpoint cannot be read", f.endpoint())
	case s.Path != "" && s.Err == nil && s.Mode.Type() != fs.ModeSocket:
		return fail("name the admin endpoint of the gateway with --address", "%s is no socket", s.Path)
	default:
		return fail(startsIt, "no gateway answers at %s", f.endpoint())
	}
}

// withoutSocket says how to manage a gateway whose socket was taken away.
func (f *Facts) withoutSocket() string {
	if f.Socket.Second == "" {
		return restart
	}
	return "it takes its socket back within seconds; if not, " + restart + ". Until then: caddy keygate list --address unix/" + Quote(f.Socket.Second)
}

// judgeMode looks at who else may connect: on Linux, whoever may write to a
// socket.
func (f *Facts) judgeMode() lines {
	const others = 0o002
	s := &f.Socket
	folder := f.file(useSocket)
	private := folder != nil && (folder.Private || folder.Mode.Perm()&0o001 == 0)
	if s.Mode.Perm()&others != 0 && !private && f.Process.PID != 1 { // else nobody else is in its container
		return fail("chmod 600 "+Quote(s.Path)+"; and in the config: admin unix/"+s.Path+"|0600", "every user of this machine may manage keys at %s (mode %04o)", s.Path, s.Mode.Perm())
	}
	return ok("a gateway answers at %s, for those alone who may write to it", f.endpoint())
}

func (f *Facts) judgeTCP() lines {
	const closed = "in the config: admin localhost:2019, or admin unix//run/keygate/admin.sock|0600"
	if f.Elsewhere {
		return fail(closed, "keys can be managed from another machine, such as this one, at %s", f.endpoint())
	}
	if slices.ContainsFunc(f.AdminAt, func(l Listener) bool { return l.At.TCP.Addr().IsUnspecified() }) {
		return fail(closed, "whoever reaches this machine may manage keys, as the admin endpoint listens on all its addresses (%s)", f.AdminAt[0].At)
	}
	return ok("a gateway answers at %s", f.endpoint())
}

// file returns the first file of a use.
func (f *Facts) file(as use) *File {
	for i := range f.Files {
		if f.Files[i].Use == as {
			return &f.Files[i]
		}
	}
	return nil
}
