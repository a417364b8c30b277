-- Takes a job whose lease has run out: of all that look, one gets it.
--
-- KEYS[1]  the leases of a queue
-- ARGV[1]  the id of the job
-- ARGV[2]  for how many seconds nobody else is to look: should this one die, another will
--
-- Answers 1 where the job is this caller's to look after.

local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) > now then
    return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return 1
