-- KEYS[1]  a session: a hash of
--   holder  which connection has it; empty: none any more
--   since   from when on, in µs of Redis's clock, where that is known
--   n       number of the holder's latest note
--   state
-- ARGV: who notes; kind, which is touch: the state is unchanged and not given, state: it is, or end: nobody holds it any more;
--       number of the note; ttl in ms; how many µs ago the holder began to hold it, or ''; state
-- Returns what became of the note. The embedded store's memory.note says the same in Go.
local key = KEYS[1]
local holder, kind, n, ttl, age, state = unpack(ARGV)

local record = redis.pcall('HMGET', key, 'holder', 'n', 'since')
if record.err then
  return 'foreign'
end
local held = record[1]
if not held and kind == 'touch' then
  return 'gone'
end

-- A note may come late, or twice. Neither takes the session from who began to hold it meanwhile,
-- nor brings an older state back.
local since
if age ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  since = now - age
  local before = tonumber(record[3] or 0)
  if held ~= holder and before > since and before <= now then -- otherwise it is of a clock that was wrong
    return 'lost'
  end
elseif held and held ~= holder then
  return 'lost'
end
if held == holder and tonumber(n) <= tonumber(record[2] or 0) then
  return 'noted'
end

if kind ~= 'touch' then
  redis.call('HSET', key, 'holder', kind == 'end' and '' or holder, 'n', n, 'state', state)
end
if since then
  redis.call('HSET', key, 'since', string.format('%.0f', since))
end
redis.call('PEXPIRE', key, ttl)
return 'noted'
