-- Claims a job for one execution.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the token of the execution
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds
--
-- Answers the fields status, created_at, repeats_left, meta, rq_steps (the head of the record)
-- and rq_steps:claim (the token of the execution before) as they were.
-- Only a job that is started is claimed.

local fields = redis.call('HMGET', KEYS[1],
    'status', 'created_at', 'repeats_left', 'meta', 'rq_steps', 'rq_steps:claim')
if fields[1] == 'started' then
    redis.call('HSET', KEYS[1], 'rq_steps:claim', ARGV[1])
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[2], now[1] + now[2] / 1000000 + ARGV[3], ARGV[2])
end
return fields
