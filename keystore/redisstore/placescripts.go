package redisstore

import "github.com/socialpatra/keygate/internal/redis"

// placing is the Lua that gives entries their places in the trails of workspaces. An
// entry gets its place with its number where all before it have theirs. Otherwise,
// as after an older gateway has added some, placeTrail does it. So placed, in meta, is
// always the number of the last of those that have one.
//
// A member of auditByWs is the workspace, a zero byte, the number in its trail, a
// colon, and the number in the trail of all; or, for a workspace of which no entry is
// left, the workspace, a zero byte, a hyphen and the last number.
const placing = `
local function lastPlace(byws, ws)
  local last = redis.call('ZREVRANGEBYLEX', byws, '(' .. ws .. '\1', '[' .. ws .. '\0', 'LIMIT', 0, 1)[1]
  if not last then return 0, nil end
  local ended, number = string.match(string.sub(last, #ws + 2), '^(%-?)(%d+)')
  return tonumber(number), ended ~= '' and last or nil
end

local function placing(byws, places, bykey)
  local lasts, trail, fields = {}, {}, {}
  local function place(seq, ws, id)
    if ws == '' and id ~= '' and bykey then -- of a damaged record: where its key was before
      local last = redis.call('ZREVRANGEBYLEX', bykey, '(' .. id .. ';', '[' .. id .. ':', 'LIMIT', 0, 1)[1]
      local before = last and redis.call('HGET', places, string.format('%.0f', tonumber(string.sub(last, #id + 2))))
      ws = before and string.match(before, '^%d+ (.*)$') or ''
    end
    local n = 0
    if ws ~= '' then
      n = (lasts[ws] or lastPlace(byws, ws)) + 1
      lasts[ws] = n
      trail[#trail + 1] = 0
      trail[#trail + 1] = ws .. string.format('\0%020.0f:%020.0f', n, seq)
    end
    fields[#fields + 1] = string.format('%.0f', seq)
    fields[#fields + 1] = string.format('%.0f ', n) .. ws
  end
  local function store()
    if #trail > 0 then redis.call('ZADD', byws, unpack(trail)) end
    if #fields > 0 then redis.call('HSET', places, unpack(fields)) end
  end
  return place, store
end
`

// placeScript gives places to a page of entries, unless somebody else was faster. It
// skips those that were pruned meanwhile. KEYS: meta, audit, auditByWs, places. ARGV:
// placed as the caller has read it, what it is after this, then number and workspace
// of each entry.
var placeScript = redis.NewScript(lost + placing + `
if (redis.call('HGET', KEYS[1], 'placed') or '0') ~= ARGV[1] then return 0 end
local place, store = placing(KEYS[3], KEYS[4])
for i = 3, #ARGV, 2 do
  if redis.call('ZCOUNT', KEYS[2], ARGV[i], ARGV[i]) > 0 then place(tonumber(ARGV[i]), ARGV[i + 1], '') end
end
store()
redis.call('HSET', KEYS[1], 'placed', ARGV[2])
return 1
`)

// pruneScript removes entries from the trail, from those of workspaces and from those
// of keys. KEYS: audit, auditByKey, auditByWs, places. ARGV: how many entries follow,
// these, then their members in auditByKey.
var pruneScript = redis.NewScript(placing + `
local n = tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZREM', i <= n + 1 and KEYS[1] or KEYS[2], ARGV[i]) end
for i = 2, n + 1 do
  local seq = string.match(ARGV[i], '^(%d+)')
  local number, ws = string.match(redis.call('HGET', KEYS[4], seq or '') or '', '^(%d+) (.+)$')
  if number then
    local last, ended = lastPlace(KEYS[3], ws)
    redis.call('ZREM', KEYS[3], ws .. '\0' .. string.format('%020.0f:%020.0f', tonumber(number), tonumber(seq)))
    if last == tonumber(number) and not ended then -- no other is left
      redis.call('ZADD', KEYS[3], 0, ws .. '\0-' .. string.format('%020.0f', last))
    end
  end
  if seq then redis.call('HDEL', KEYS[4], seq) end
end
return 1
`)
