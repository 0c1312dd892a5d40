-- ARGV: for how long in ms an empty queue stays, entries to remove
-- Returns how many were removed.
local removed = 0
for i = 2, #ARGV do
  local entry = redis.call('XRANGE', queue, ARGV[i], ARGV[i])
  if #entry > 0 then
    forget(entry)
    redis.call('XDEL', queue, ARGV[i])
    removed = removed + 1
  end
end
-- Without its last entry's ID, the stream could give the same ID again to a message of the same
-- millisecond, and whoever reads on after that entry would not see it. So it stays for a while.
if removed > 0 and redis.call('XLEN', queue) == 0 then
  redis.call('DEL', index)
  redis.call('PEXPIRE', queue, ARGV[1])
end
return removed
