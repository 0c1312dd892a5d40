-- What is revoked. All keys are on one node.
--
-- KEYS[1]  log, a sorted set of who is revoked by the number of the writing, from 1 on
-- KEYS[2]  until, a sorted set of the same by when they are forgotten, Unix ms
-- KEYS[3]  terms, a hash of the same: "<at> <until>", Unix ms
-- KEYS[4]  marks, a sorted set of random names by number: the newest writings, by which a reader knows that what it
--          has read is still what was written
-- ARGV: the name of this writing, most entries, most marks, a margin in ms, and then of each entry who, at, until
-- Returns how many were refused because there are too many, and how many are news.
local log, untils, terms, marks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, most, mostMarks, margin = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local old = redis.call('ZRANGEBYSCORE', untils, '-inf', string.format('(%.0f', now - margin), 'LIMIT', 0, 1000)
if #old > 0 then
  redis.call('ZREM', log, unpack(old))
  redis.call('ZREM', untils, unpack(old))
  redis.call('HDEL', terms, unpack(old))
end

local number = 0
for _, key in ipairs({marks, log}) do
  local top = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  number = math.max(number, tonumber(top[2] or 0))
end
local before, refused = number, 0
for i = 5, #ARGV, 3 do
  local who, at, till = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local term = redis.call('HGET', terms, who)
  local news = true
  if term then
    local formerAt, formerUntil = string.match(term, '^(%d+) (%d+)$')
    formerAt, formerUntil = tonumber(formerAt or 0), tonumber(formerUntil or 0)
    news = at > formerAt or till > formerUntil
    at, till = math.max(at, formerAt), math.max(till, formerUntil)
  elseif redis.call('ZCARD', untils) >= most then
    news = false
    refused = refused + 1
  end
  if news then
    number = number + 1
    -- The first write: where Redis is out of memory, this is the one it refuses.
    redis.call('ZADD', log, string.format('%.0f', number), who)
    redis.call('ZADD', untils, string.format('%.0f', till), who)
    redis.call('HSET', terms, who, string.format('%.0f %.0f', at, till))
  end
end
if number > before then
  redis.call('ZADD', marks, string.format('%.0f', number), name)
  redis.call('ZREMRANGEBYRANK', marks, 0, -mostMarks - 1)
  local last = redis.call('ZREVRANGE', untils, 0, 0, 'WITHSCORES')
  local ttl = string.format('%.0f', math.max(tonumber(last[2]) - now, 0) + margin)
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ttl)
  end
end
return {refused, number - before}
