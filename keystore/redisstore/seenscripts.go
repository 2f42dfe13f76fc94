package redisstore

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// changeSeen changes what was seen of a key together with its record: ARGV[4] is the
// day, and then come a field and its value, "" to remove it, and so on. A new key
// begins with nothing; so does, on that day, what is of another type than a hash.
const changeSeen = `
local function changeSeen(seen, new)
  if new then redis.call('DEL', seen) end
  if not ARGV[5] then return end
  if type(redis.pcall('HGET', seen, 'since')) == 'table' then
    redis.call('DEL', seen)
    redis.call('HSET', seen, 'since', ARGV[4])
  end
  for i = 5, #ARGV, 2 do
    if ARGV[i + 1] == '' then
      redis.call('HDEL', seen, ARGV[i])
    else
      redis.call('HSET', seen, ARGV[i], ARGV[i + 1])
    end
  end
end
`

// seenChanges returns the arguments of changeSeen for a change from one record to
// another, of which nil is none.
func seenChanges(id apikey.ID, old, record []byte, at time.Time) []string {
	k, err := keystore.DecodeKey(id, record)
	if err != nil { // the key is deleted
		return nil
	}
	day := apikey.DayOf(at)
	args := []string{formatDay(day)}
	if old == nil {
		if r, needed := keystore.NewSeenRecord(&k, at); needed {
			args = append(args, fieldSince, formatDay(r.Since))
		}
		return args
	}
	was, err := keystore.DecodeKey(id, old)
	if err != nil { // such a key can only be deleted
		return nil
	}
	added, removed := keystore.ScopesChanged(&was, &k)
	for _, scope := range removed {
		args = append(args, scope, "")
	}
	for _, scope := range added {
		args = append(args, scope, formatScopeUse(day, 0))
	}
	return args
}

// addSeen adds what was seen of a key: from ARGV[from] on the network or "", a day
// on which what cannot be read begins anew, and then a scope and when it was used,
// and so on. A day is never replaced by an earlier one.
const addSeen = `
local function addSeen(seen, from)
  local network, today = ARGV[from], ARGV[from + 1]
  local since = redis.pcall('HGET', seen, 'since')
  if type(since) == 'table' then
    redis.call('DEL', seen)
    since = 'of another type'
  end
  if since and not tonumber(since) then redis.call('HSET', seen, 'since', today) end
  local have = redis.call('HGET', seen, 'network')
  if network ~= '' and have ~= network then
    redis.call('HSET', seen, 'network', have and '*' or network)
  end
  for i = from + 2, #ARGV, 2 do
    local value, day = redis.call('HGET', seen, ARGV[i]), ARGV[i + 1]
    local since, last = string.match(value or '0 0', '^(-?%d+) (-?%d+)$')
    if not since then since, last = today, '0' end
    if last == '0' or tonumber(last) < tonumber(day) then last = day end
    local now = since .. ' ' .. last
    if now ~= value then redis.call('HSET', seen, ARGV[i], now) end
  end
end
`

// appendSeen appends the arguments of addSeen for what was seen of a key, if there is
// something.
func appendSeen(args []string, days []apikey.Usage) []string {
	network, today := apikey.NoNetwork, apikey.Day(0)
	var scopes []string
	for i := range days {
		u := &days[i]
		if u.Seen == nil {
			continue
		}
		network, today = network.With(u.Seen.Network), max(today, u.Day)
		for scope := range u.Seen.Names {
			scopes = append(scopes, scope, formatDay(u.Day))
		}
	}
	if network == apikey.NoNetwork && len(scopes) == 0 {
		return args
	}
	return append(append(args, formatNetwork(network), formatDay(today)), scopes...)
}

func formatNetwork(n apikey.Network) string {
	switch n {
	case apikey.NoNetwork:
		return ""
	case apikey.SeveralNetworks:
		return severalNetworks
	default:
		return n.Prefix().String()
	}
}
