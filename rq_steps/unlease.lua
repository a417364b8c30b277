-- Ends the lease of a job, unless an execution holds it that has not come to its end.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the id of the job

local claim = redis.call('HGET', KEYS[1], 'rq_steps:claim')
local is_running = claim and not string.find(claim, ':', 1, true)
if not is_running then
    redis.call('ZREM', KEYS[2], ARGV[1])
end
