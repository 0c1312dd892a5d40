-- ARGV: ttl in ms, where to begin as XRANGE takes it, most entries
-- Returns how many entries expired, and those that did not.
local expired = expire(tonumber(ARGV[1]))
return {expired, redis.call('XRANGE', queue, ARGV[2], '+', 'COUNT', ARGV[3])}
