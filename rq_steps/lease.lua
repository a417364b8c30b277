-- Takes a lease for a job.
--
-- KEYS[1]  the leases of its queue
-- ARGV[1]  the id of the job
-- ARGV[2]  the length of a lease, in seconds

local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000 + ARGV[2], ARGV[1])
