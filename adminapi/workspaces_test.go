package adminapi

import "testing"

func TestWorkspaceAPI(t *testing.T) {
	s := serveAPI(t) // with workspace_limits 600/min
	record := func(name, perMinute, perDay, source string) string {
		return `{"workspace":"` + name + `","limits":{"per_minute":` + perMinute + `,"per_day":` + perDay + `},"source":"` + source + `"}`
	}
	const acme = " /keygate/workspaces/acme"
	s.send("GET"+acme, "").want(t, 200, record("acme", "600", "null", "config"))
	s.send("GET /keygate/workspaces", "").want(t, 200, `{"workspaces":[],"next_cursor":""}`)

	// What is not named stays as it was in force.
	s.send("PATCH"+acme, `{"limits":{"per_day":100000}}`).want(t, 200, record("acme", "600", "100000", "own"))
	s.send("PATCH"+acme, `{"limits":{"per_minute":null}}`).want(t, 200, record("acme", "null", "100000", "own"))
	s.send("PATCH"+acme, `{"limits":{"per_day":null}}`).want(t, 200, record("acme", "null", "null", "own"))
	s.send("PATCH"+acme, `{"limits":{"per_minute":1000000000,"per_day":7}}`).want(t, 200, record("acme", "1000000000", "7", "own"))
	for body, text := range map[string]string{
		`{"limits":{"per_minute":0}}`:          "per_minute",
		`{"limits":{"per_minute":1000000001}}`: "1 to 1,000,000,000",
		`{"limits":{"per_day":1.5}}`:           "per_day",
		`{"limits":{"per_day":"7"}}`:           "per_day",
		`{"limits":{"burst":7}}`:               "burst",
		`{"per_day":7}`:                        "per_day",
		`{}`:                                   "limits: names no limit; accepted: an object with per_minute, per_day or both, each a whole number or null",
		`{"limits":{}}`:                        "limits: names no limit; accepted: ",
	} {
		s.send("PATCH"+acme, body).want(t, 400, text)
		s.send("PATCH /keygate/workspaces/none", body).want(t, 400, text)
	}
	s.send("GET /keygate/workspaces/none", "").want(t, 200, `"source":"config"`)
	s.send("GET"+acme, "").want(t, 200, record("acme", "1000000000", "7", "own"))

	s.send("PATCH /keygate/workspaces/b", `{"limits":{"per_day":1}}`).want(t, 200)
	s.send("PATCH /keygate/workspaces/a", `{"limits":{"per_day":1}}`).want(t, 200)
	s.send("GET /keygate/workspaces?limit=2", "").want(t, 200, record("a", "600", "1", "own")+","+record("acme", "1000000000", "7", "own")+`],"next_cursor":"acme"}`)
	s.send("GET /keygate/workspaces?cursor=acme", "").want(t, 200, `{"workspaces":[`+record("b", "600", "1", "own")+`],"next_cursor":""}`)
	s.send("GET /keygate/workspaces?cursor=aa", "").want(t, 200, record("acme", "1000000000", "7", "own")+","+record("b", "600", "1", "own")+"]")
	s.send("GET /keygate/workspaces?cursor=-", "").want(t, 400, "cursor")

	s.send("DELETE"+acme, "").want(t, 204)
	s.send("DELETE"+acme, "").want(t, 204)
	s.send("GET"+acme, "").want(t, 200, record("acme", "600", "null", "config"))
	s.send("GET /keygate/audit?limit=1", "").want(t, 200, `"action":"unlimit"`, `"workspace":"acme"`, `"changes":{"limits":{"from":{"per_day":7,"per_minute":1000000000},"to":null}}`)
}
