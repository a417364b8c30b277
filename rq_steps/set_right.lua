-- Sets a job to started again that somebody's stale save() has set back while it runs.
--
-- KEYS[1]   the job's hash
-- KEYS[2…]  the queues and registries in which a job of its status would be
-- ARGV[1]   the claim that has to stand ('' for none)
-- ARGV[2]   the id of the job
-- ARGV[3]   its status
--
-- Answers 1 where the job was set to started: it is in none of them. Answers 0 where it really is,
-- or where somebody else has changed it meanwhile.

local status, claim = unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim'))
if status ~= ARGV[3] or (claim or '') ~= ARGV[1] then
    return 0
end
for place = 2, #KEYS do
    local is_list = redis.call('TYPE', KEYS[place]).ok == 'list'
    if redis.call(is_list and 'LPOS' or 'ZSCORE', KEYS[place], ARGV[2]) then
        return 0
    end
end
redis.call('HSET', KEYS[1], 'status', 'started')
return 1
