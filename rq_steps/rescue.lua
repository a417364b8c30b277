-- Puts back the jobs that were taken from a queue and not begun for some time. They stand in the
-- intermediate queue or in the registry of started jobs, but do not count as started. What stands in
-- the intermediate queue for as long, and is over or due elsewhere, is taken out: somebody had it
-- canceled and enqueued again, and the worker that held it before has died. So is what such a worker
-- has left in the registry: it had the job in hand when that was canceled, or done by others.
--
-- KEYS[1]  the queue
-- KEYS[2]  its intermediate queue
-- KEYS[3]  its registry of started jobs, with members <job>:<execution>
-- KEYS[4]  a hash of ours: since when a job has been seen so, and when it had been enqueued
-- ARGV[1]  seconds after which it is put back
-- ARGV[2…] what stands before a job's id in the keys of: the job, RQ's mark of its being in the
--          intermediate queue, the registry of its executions; and before <job>:<execution> in the
--          key of an execution
--
-- Answers the ids of the jobs that were put back.

local now = redis.call('TIME')
now = now[1] + now[2] / 1000000

local held, waiting = {}, {}
for _, job in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    held[job], waiting[job] = {}, true
end
for _, entry in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    local job = string.match(entry, '^(.*):')
    if job then
        held[job] = held[job] or {}
        table.insert(held[job], entry)
    end
end

local function status_of(job)
    return redis.call('HGET', ARGV[2] .. job, 'status')
end

local function is_unbegun(job)
    return status_of(job) == 'queued' and not redis.call('LPOS', KEYS[1], job)
end

local function is_left_behind(job)
    local status = status_of(job)
    return status ~= 'queued' and status ~= 'started'
end

-- What was enqueued anew meanwhile has been begun meanwhile.
local function has_been_so(job)
    local enqueued = redis.call('HGET', ARGV[2] .. job, 'enqueued_at') or ''
    local since, before = string.match(redis.call('HGET', KEYS[4], job) or '', '^(%S+) (.*)$')
    if before ~= enqueued then
        redis.call('HSET', KEYS[4], job, string.format('%.6f %s', now, enqueued))
        return false
    end
    return now - tonumber(since) >= tonumber(ARGV[1])
end

local function take_out(job, entries)
    if waiting[job] then
        redis.call('LREM', KEYS[2], 1, job)
        redis.call('DEL', ARGV[3] .. job)
    end
    for _, entry in ipairs(entries) do
        redis.call('ZREM', KEYS[3], entry)
        redis.call('DEL', ARGV[5] .. entry)
        redis.call('ZREM', ARGV[4] .. job, string.sub(entry, #job + 2))
    end
end

local function put_back(job, entries)
    take_out(job, entries)
    redis.call('DEL', ARGV[3] .. job, ARGV[4] .. job)
    redis.call('HDEL', KEYS[4], job)
    redis.call('LPUSH', KEYS[1], job)
end

local rescued = {}
for job, entries in pairs(held) do
    if is_unbegun(job) then
        if has_been_so(job) then
            put_back(job, entries)
            table.insert(rescued, job)
        end
    elseif is_left_behind(job) then
        if has_been_so(job) then
            take_out(job, entries)
        end
    else
        held[job] = nil
    end
end
for _, job in ipairs(redis.call('HKEYS', KEYS[4])) do
    if not held[job] then
        redis.call('HDEL', KEYS[4], job)
    end
end
return rescued
