-- Writes meta, if nobody else has written it meanwhile.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  meta as it was last seen ('' where it was missing)
-- ARGV[2]  meta to be written in its place
--
-- Answers meta where it is not as last seen; nothing is written then. A job that is gone is not
-- brought back.

if redis.call('HEXISTS', KEYS[1], 'data') == 0 then
    return false
end
local meta = redis.call('HGET', KEYS[1], 'meta') or ''
if meta ~= ARGV[1] then
    return meta
end
redis.call('HSET', KEYS[1], 'meta', ARGV[2])
return false
