//go:build fleet

package plugin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// A token that is handed in at one gateway of a fleet is refused at the others, and a
// wrong one, which has the ID of a key, is refused nowhere else.
func TestFleetRevocation(t *testing.T) {
	server := redistest.Start(t)
	b := startBackend(t)
	config := strings.Replace(siteWith(), "\tlog\n", "\tlog\n\tkeygate_revocation /oauth/revoke\n", 1)
	config = strings.Replace(config, bboltStore, fleetStore(server.Addr, patient), 1)
	here, there := startCaddy(t, config, "BACKEND="+b.Addr), startCaddy(t, config, "BACKEND="+b.Addr)
	_, token := here.makeKey(t)
	spared, spareds := here.makeKey(t)
	sparedID, err := apikey.ParseID(spared)
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := apikey.GenerateFor("patra", sparedID)
	for _, token := range []string{token, spareds} {
		there.until(t, token, 200)
	}
	_, wrong := here.revokeBy(t, url.Values{"token": {forged}}.Encode())
	_, right := here.revokeBy(t, url.Values{"token": {token}}.Encode())
	if right != wrong || !strings.HasPrefix(right, "200\n") {
		t.Errorf("a right token is answered\n%s\nand a wrong one\n%s", right, wrong)
	}
	denied(t, here.get(t, token), 401, "key_revoked")
	there.until(t, token, 401)
	denied(t, there.get(t, token), 401, "key_revoked")
	for _, g := range []*gateway{here, there} {
		if status := g.status(t, spareds); status != 200 {
			t.Errorf("the key that nobody handed in: %d", status)
		}
	}
	if history := there.mustCLI(t, "audit", "--json"); strings.Count(history, `"reason":"surrendered"`) != 1 {
		t.Errorf("the history: %s", history)
	}
}
