-- Ends the lease of a job whose execution has come to its end. Another may have begun meanwhile:
-- then the job is started, and that one has claimed it or is about to, or has come to its end, too,
-- and is about to put the job back.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the id of the job
-- ARGV[2]  the name of the worker whose execution it was

local status, claim, worker =
    unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim', 'worker_name'))
local has_ended = claim and string.find(claim, 'ended:', 1, true) == 1
local is_running = claim and not string.find(claim, ':', 1, true)
local is_started = status == 'started' and not (has_ended and worker == ARGV[2])
if not (is_running or is_started) then
    redis.call('ZREM', KEYS[2], ARGV[1])
end
