-- Claims a job for one execution.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  the token of the execution
--
-- Answers the fields status, created_at, repeats_left, meta, rq_steps (the head of the record)
-- and rq_steps:claim (the token of the execution before) as they were.
-- Only a job that is started is claimed.

local fields = redis.call('HMGET', KEYS[1],
    'status', 'created_at', 'repeats_left', 'meta', 'rq_steps', 'rq_steps:claim')
if fields[1] == 'started' then
    redis.call('HSET', KEYS[1], 'rq_steps:claim', ARGV[1])
end
return fields
