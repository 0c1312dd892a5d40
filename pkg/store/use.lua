-- KEYS[1]  a family of refresh tokens, a hash of
--   next   serial of the token that may be used next, or revoked
--   by     name of the latest call that used one
-- ARGV: serial, for how long in ms the family is known, name of this call
-- Returns what became of the token.
local key = KEYS[1]
local serial, ttl, name = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local record = redis.call('HMGET', key, 'next', 'by')
local outcome = 'used'
if record[1] == 'revoked' then
  outcome = 'revoked'
elseif not record[1] and serial > 0 then
  outcome = 'unknown' -- Redis has lost it. From now on its first token is not taken for unused.
elseif record[1] and serial < tonumber(record[1]) then
  if record[2] == name and serial == tonumber(record[1]) - 1 then
    return 'used' -- this call was repeated
  end
  outcome = 'reused'
end
-- A serial beyond next is one whose predecessor's use was lost in a failover: nobody else can have made the token.
if outcome == 'used' then
  redis.call('HSET', key, 'next', string.format('%.0f', serial + 1), 'by', name)
else
  redis.call('HSET', key, 'next', 'revoked')
end
redis.call('PEXPIRE', key, string.format('%.0f', math.max(ttl, redis.call('PTTL', key))))
return outcome
