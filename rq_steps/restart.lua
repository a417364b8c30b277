-- Sets a job to started again that somebody's stale save() has set back while it runs.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  its queue
-- KEYS[3]  the registry of scheduled jobs of that queue
-- ARGV[1]  the token of the execution
-- ARGV[2]  the id of the job
--
-- Answers 1 where the job was set to started: it is neither queued nor scheduled, whatever its
-- status says. Answers 0 where it really is: then the execution has been superseded.

if redis.call('HGET', KEYS[1], 'rq_steps:claim') ~= ARGV[1]
    or redis.call('LPOS', KEYS[2], ARGV[2])
    or redis.call('ZSCORE', KEYS[3], ARGV[2]) then
    return 0
end
redis.call('HSET', KEYS[1], 'status', 'started')
return 1
