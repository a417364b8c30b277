-- Renews the lease of a job, if it is still this execution's, and has RQ's books say that it runs:
-- its worker, which writes there, may have died. It runs until RQ has closed its books: a callback may
-- take long. On RQ's own workers the lease ends before that, and none is taken by a renewal that was
-- on its way.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- KEYS[3]  RQ's registry of started jobs
-- KEYS[4]  RQ's registry of the job's executions
-- ARGV[1]  the token of the execution
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds
-- ARGV[4]  for how many seconds RQ is to believe that the job runs

local status, claim = unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim'))
local has_ended = claim == 'ended:' .. ARGV[1]
if claim ~= ARGV[1] and not (has_ended and status == 'started') then
    return
end
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
if not has_ended or redis.call('ZSCORE', KEYS[2], ARGV[2]) then
    redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
end
for _, execution in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('ZADD', KEYS[3], 'XX', 'GT', math.ceil(now + ARGV[4]), ARGV[2] .. ':' .. execution)
end
