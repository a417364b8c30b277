-- Renews the lease of a job, if it is still this execution's.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the token of the execution
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds

local claim = redis.call('HGET', KEYS[1], 'rq_steps:claim')
if claim == ARGV[1] or claim == 'ended:' .. ARGV[1] then
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[2], now[1] + now[2] / 1000000 + ARGV[3], ARGV[2])
end
