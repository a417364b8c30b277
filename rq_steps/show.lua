-- Writes meta, if nobody else has written it meanwhile and the job is still this execution's.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  the token of the execution
-- ARGV[2]  meta as it was last seen ('' where it was missing)
-- ARGV[3]  meta to be written in its place
--
-- Answers meta where it is not as last seen; nothing is written then.

local claim = redis.call('HGET', KEYS[1], 'rq_steps:claim')
if claim ~= ARGV[1] and claim ~= 'ended:' .. ARGV[1] then
    return false
end
local meta = redis.call('HGET', KEYS[1], 'meta') or ''
if meta ~= ARGV[2] then
    return meta
end
redis.call('HSET', KEYS[1], 'meta', ARGV[3])
return false
