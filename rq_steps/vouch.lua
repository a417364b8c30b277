-- Vouches for a job that a worker holds: its work-horse lives. If it runs under this worker and has a
-- lease, that is renewed. If it is not begun yet, it is given time anew: to import it may take long.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- KEYS[3]  RQ's registry of started jobs
-- KEYS[4]  the hash of those that were taken and not begun: see rescue.lua
-- ARGV[1]  the name of the worker
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds
-- ARGV[4]  how the execution stands in the registry

local status, worker = unpack(redis.call('HMGET', KEYS[1], 'status', 'worker_name'))
if status == 'started' and worker == ARGV[1] then
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[2], 'XX', now[1] + now[2] / 1000000 + ARGV[3], ARGV[2])
elseif redis.call('ZSCORE', KEYS[3], ARGV[4]) then
    redis.call('HDEL', KEYS[4], ARGV[2])
end
