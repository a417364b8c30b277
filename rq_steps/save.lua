-- Saves the record, if the job is still this execution's.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the hash of the worker
-- ARGV[1]  the token of the execution
-- ARGV[2]  the head of the record
-- ARGV[3]  '1': the execution has come to its end
-- ARGV[4]  meta as it was last seen ('' where it was missing)
-- ARGV[5]  meta to be written in its place ('' for none)
-- ARGV[6…] pairs of field and value: completed steps
--
-- It may be called twice with the same: a client repeats what it got no answer to.
--
-- Answers a state, and further
--   'saved', '1' where the worker was asked to shut down, meta where it is not as last seen
--   'deleted' | 'superseded' | the status of the job, where it is not started: nothing is written

local status, claim = unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim'))
if not status then
    return {'deleted'}
end
local ended = 'ended:' .. ARGV[1]
if claim ~= ARGV[1] and claim ~= ended then
    return {'superseded'}
end
if status ~= 'started' then
    return {status}
end

redis.call('HSET', KEYS[1], 'rq_steps', ARGV[2])
for i = 6, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if ARGV[3] == '1' then
    redis.call('HSET', KEYS[1], 'rq_steps:claim', ended)
end

local other_meta = false
if ARGV[5] ~= '' then
    local meta = redis.call('HGET', KEYS[1], 'meta') or ''
    if meta == ARGV[4] then
        redis.call('HSET', KEYS[1], 'meta', ARGV[5])
    else
        other_meta = meta
    end
end
local stopping = redis.call('HEXISTS', KEYS[2], 'shutdown_requested_date')
return {'saved', tostring(stopping), other_meta}
