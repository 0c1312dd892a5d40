-- KEYS: as revoke.lua tells
-- ARGV: number and name of the newest writing that the reader knows of, 0 and '' for none; after which number to
--       read on; most entries
-- Returns 1 when what the reader has read is not what was written, so that it has to begin again, or else 0; number and name
-- of the newest writing; and the entries, of each its number, who, and "<at> <until>".
local log, terms, marks = KEYS[1], KEYS[3], KEYS[4]
local known, name, after = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

local lost = 0
if known > 0 and redis.call('ZRANGEBYSCORE', marks, ARGV[1], ARGV[1])[1] ~= name then
  lost, after = 1, 0
end
local top = redis.call('ZREVRANGE', marks, 0, 0, 'WITHSCORES')
local found = {}
local entries = redis.call('ZRANGEBYSCORE', log, string.format('(%.0f', after), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #entries, 2 do
  found[#found + 1] = tostring(entries[i + 1])
  found[#found + 1] = entries[i]
  found[#found + 1] = redis.call('HGET', terms, entries[i]) or ''
end
return {lost, tostring(top[2] or '0'), top[1] or '', found}
