-- Removes the completed steps of an earlier run, if the job is still this execution's.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  the token of the execution
-- ARGV[2]  how many there are

if redis.call('HGET', KEYS[1], 'rq_steps:claim') ~= ARGV[1] then
    return 0
end
for place = 1, tonumber(ARGV[2]) do
    redis.call('HDEL', KEYS[1], 'rq_steps:' .. place)
end
return 1
