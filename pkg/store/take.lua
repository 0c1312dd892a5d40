-- KEYS[1]  a session, as note.lua tells
-- ARGV: who holds it from now on, ttl in ms
-- Returns who held it, and its state; nil when there is none.
local key = KEYS[1]
local record = redis.call('HMGET', key, 'holder', 'state')
if not record[1] or not record[2] then
  return false
end
local now = redis.call('TIME')
redis.call('HSET', key, 'holder', ARGV[1], 'n', 0, 'since', string.format('%.0f', now[1] * 1000000 + now[2]))
redis.call('PEXPIRE', key, ARGV[2])
return record
