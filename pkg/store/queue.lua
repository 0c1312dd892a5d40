-- What the scripts over a user's queue have in common; it goes before each of them.
--
-- KEYS[1]  the queue, a stream of f: sender, i: its message's ID, t: when it was sent, p: payload
-- KEYS[2]  its index, a hash of
--            bytes                             senders, IDs and payloads of all entries together
--            <length of sender>:<sender><ID>   the entry, by which a repeated message is known
local queue, index = KEYS[1], KEYS[2]

-- forget takes entries, as XRANGE replies them, out of the index.
local function forget(entries)
  local bytes = 0
  for _, entry in ipairs(entries) do
    local values = entry[2] -- of another shape only where another program wrote it
    local from, id, payload = values[2] or '', values[4] or '', values[8] or ''
    bytes = bytes + #from + #id + #payload
    redis.call('HDEL', index, #from .. ':' .. from .. id)
  end
  if bytes > 0 then
    redis.call('HINCRBY', index, 'bytes', string.format('%.0f', -bytes))
  end
end

-- expire drops entries older than ttl, in milliseconds by Redis's clock, and returns how many.
local function expire(ttl)
  local now = redis.call('TIME')
  local oldest = now[1] * 1000 + math.floor(now[2] / 1000) - ttl
  local first = string.format('%.0f-0', math.max(oldest, 0))
  local old = redis.call('XRANGE', queue, '-', '(' .. first)
  if #old > 0 then
    forget(old)
    redis.call('XTRIM', queue, 'MINID', first)
  end
  return #old
end
