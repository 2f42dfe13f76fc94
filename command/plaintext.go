package command

import (
	"slices"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/command/doctor"
	"github.com/socialpatra/keygate/internal/jsontree"
)

// findPlain returns the sites with keygate and a name at which nobody watches for keys
// in the clear. Sites for this machine alone are left out.
func findPlain(tree any) (found []lint.PlainSite) {
	jsontree.Members(jsontree.At(tree, "apps", "http", "servers"), func(_ string, server any) {
		if len(findHandlers(server)) == 0 || isForThisMachine(server) {
			return
		}
		for _, at := range doctor.InTheClear(tree, server) {
			if at.Is != doctor.Watched && at.Host != "" && !doctor.IsLocal(at.Host) {
				found = append(found, lint.PlainSite{Host: at.Host, Answered: at.Is == doctor.Answered})
			}
		}
	})
	return found
}

// isForThisMachine reports whether nobody else reaches a server.
func isForThisMachine(server any) bool {
	listen := jsontree.Texts(server, "listen")
	return len(listen) > 0 && !slices.ContainsFunc(listen, func(address string) bool { return !doctor.IsLoopback(address) })
}
