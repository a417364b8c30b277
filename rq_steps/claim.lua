-- Claims a job for one execution.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the set of the jobs that depend on it
-- KEYS[3]  the set of the jobs that it depends on
-- KEYS[4]  the stream of its results
-- KEYS[5]  the leases of its queue
-- ARGV[1]  the token of the execution
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds
--
-- Answers the fields status, created_at, repeats_left, meta, rq_steps (the head of the record),
-- rq_steps:claim (the token of the execution before) and rq_steps:newer_since (see newer.py) as
-- they were; further the id of the last result ('' where there is none).
--
-- Only a job that is started is claimed. One that was begun before does not lose its dependents:
-- when a job is enqueued again, RQ arms its ttl anew, and later lifts it from the hash alone.
-- Completed steps without a head are removed: somebody wants the job to start from scratch.

local fields = redis.call('HMGET', KEYS[1],
    'status', 'created_at', 'repeats_left', 'meta', 'rq_steps', 'rq_steps:claim',
    'rq_steps:newer_since')
local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
fields[8] = last and last[1] or ''
if fields[1] ~= 'started' then
    return fields
end
redis.call('HSET', KEYS[1], 'rq_steps:claim', ARGV[1])
local now = redis.call('TIME')
redis.call('ZADD', KEYS[5], now[1] + now[2] / 1000000 + ARGV[3], ARGV[2])
if fields[5] then
    redis.call('PERSIST', KEYS[2])
    redis.call('PERSIST', KEYS[3])
    return fields
end
local place = 1
while redis.call('HDEL', KEYS[1], 'rq_steps:' .. place) == 1 do
    place = place + 1
end
return fields
