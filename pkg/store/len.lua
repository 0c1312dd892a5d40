-- ARGV: ttl in ms
-- Returns how many entries expired, and how many did not.
return {expire(tonumber(ARGV[1])), redis.call('XLEN', queue)}
