-- Renews the lease of a job that runs under a worker, if it has one.
--
-- KEYS[1]  the job's hash
-- KEYS[2]  the leases of its queue
-- ARGV[1]  the name of the worker
-- ARGV[2]  the id of the job
-- ARGV[3]  the length of a lease, in seconds

local status, worker = unpack(redis.call('HMGET', KEYS[1], 'status', 'worker_name'))
if status == 'started' and worker == ARGV[1] then
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[2], 'XX', now[1] + now[2] / 1000000 + ARGV[3], ARGV[2])
end
