-- Takes a lease for a job, if it is still its worker's to begin. It is not where somebody has put it
-- back meanwhile, and so has closed the execution in RQ's books, or has taken the job out of the
-- intermediate queue; nor where it was canceled, or has finished while it stood in its queue twice.
--
-- KEYS[1]  the leases of its queue
-- KEYS[2]  RQ's registry of started jobs
-- KEYS[3]  the job's hash
-- KEYS[4]  the intermediate queue
-- KEYS[5]  RQ's registry of finished jobs
-- KEYS[6]  the queue
-- ARGV[1]  the id of the job
-- ARGV[2]  the length of a lease, in seconds
-- ARGV[3]  how the execution stands in the registry
-- ARGV[4]  '1' where RQ takes jobs through the intermediate queue
--
-- It may be called twice: nothing is taken out. Answers 1 where the job may begin.

if not redis.call('ZSCORE', KEYS[2], ARGV[3]) then
    return 0
end
local status = redis.call('HGET', KEYS[3], 'status')
if status == 'canceled' then
    return 0
end
if status == 'finished' and redis.call('ZSCORE', KEYS[5], ARGV[1]) then
    return 0
end
-- A queue of the user's own class may go another way: what is due and stands nowhere is nobody else's.
if ARGV[4] == '1' and not redis.call('LPOS', KEYS[4], ARGV[1]) then
    if status ~= 'queued' or redis.call('LPOS', KEYS[6], ARGV[1]) then
        return 0
    end
end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000 + ARGV[2], ARGV[1])
return 1
