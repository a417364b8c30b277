-- Puts a job back that was taken from its queue and never begun.
--
-- KEYS[1]  the intermediate queue
-- KEYS[2]  the queue
-- ARGV[1]  the id of the job
--
-- Answers 1 where it was there: of all that look, one puts it back.

local was_there = redis.call('LREM', KEYS[1], 1, ARGV[1])
if was_there == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[1])
end
return was_there
