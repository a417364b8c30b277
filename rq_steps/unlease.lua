-- Ends the lease of a job whose execution has come to its end. Another may have begun meanwhile:
-- then the job is started, and that one has claimed it or is about to.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the id of the job

local status, claim = unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim'))
local has_ended = claim and string.find(claim, 'ended:', 1, true) == 1
local is_running = claim and not string.find(claim, ':', 1, true)
if has_ended or not (is_running or status == 'started') then
    redis.call('ZREM', KEYS[2], ARGV[1])
end
