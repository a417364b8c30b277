-- Writes the head of a record again that has finished, if nobody else has written it meanwhile.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  the head as it was seen
-- ARGV[2]  the head that is to stand in its place
--
-- Answers 1 where it was written.

if redis.call('HGET', KEYS[1], 'rq_steps') ~= ARGV[1] then
    return 0
end
redis.call('HSET', KEYS[1], 'rq_steps', ARGV[2])
return 1
