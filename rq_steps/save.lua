-- Saves the record, if the job is still this execution's.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the hash of the worker
-- ARGV[1]  the token of the execution
-- ARGV[2]  the head of the record
-- ARGV[3]  '1': the execution has come to its end
-- ARGV[4]  meta as it was last seen ('' where it was missing)
-- ARGV[5]  meta to be written in its place ('' for none)
-- ARGV[6]  the field of the last completed step that was saved before ('' where there is none)
-- ARGV[7…] pairs of field and value: completed steps since
--
-- It may be called twice with the same: a client repeats what it got no answer to.
--
-- Answers a state, and further
--   'saved', '1' where the worker was asked to shut down, meta where it is not as last seen
--   'forgotten': the server has lost what was saved before, and is to be told all; nothing is
--       written
--   'deleted' | 'superseded' | the status of the job, where it is not started: nothing is written

local status, claim, last =
    unpack(redis.call('HMGET', KEYS[1], 'status', 'rq_steps:claim', ARGV[6]))
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
if ARGV[6] ~= '' and not last then
    return {'forgotten'}
end

redis.call('HSET', KEYS[1], 'rq_steps', ARGV[2])
for i = 7, #ARGV, 2 do
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
