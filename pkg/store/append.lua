-- ARGV: ttl in ms, most entries, most bytes, sender, ID, sent at, payload, metadata: '' for none, not counted
-- Returns what became of the message and how many entries expired.
local ttl, most, mostBytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local from, id, sent, payload = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local expired = expire(ttl)
local name = #from .. ':' .. from .. id
local known = id ~= '' and redis.call('HGET', index, name)
if known and #redis.call('XRANGE', queue, known, known) > 0 then
  return {'repeated', expired}
end

local count = redis.call('XLEN', queue)
if count >= most then
  return {'count', expired}
end
local size = #from + #id + #payload
local bytes = count > 0 and redis.call('HGET', index, 'bytes') or 0
if size + bytes > mostBytes then
  return {'bytes', expired}
end

-- The first write: where Redis is out of memory, this is the one it refuses.
local entry
if ARGV[8] == '' then
  entry = redis.call('XADD', queue, '*', 'f', from, 'i', id, 't', sent, 'p', payload)
else
  entry = redis.call('XADD', queue, '*', 'f', from, 'i', id, 't', sent, 'p', payload, 'm', ARGV[8])
end
if count == 0 then
  redis.call('DEL', index) -- whatever it says
end
redis.call('HINCRBY', index, 'bytes', size)
if id ~= '' then
  redis.call('HSET', index, name, entry)
end
-- A second more: the age of the entries decides, and the embedded store's keys go a little early.
redis.call('PEXPIRE', queue, ttl + 1000)
redis.call('PEXPIRE', index, ttl + 1000)
return {'appended', expired}
