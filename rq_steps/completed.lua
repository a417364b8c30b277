-- Answers the completed steps of a record, joined by commas: as the inside of one JSON list they
-- are read in a fifth of the time.
--
-- KEYS[1]  the job's hash
-- ARGV[1]  how many there are

local AT_ONCE = 5000 -- no more can be unpacked
local steps = {}
for first = 1, tonumber(ARGV[1]), AT_ONCE do
    local names = {}
    for place = first, math.min(first + AT_ONCE - 1, tonumber(ARGV[1])) do
        names[#names + 1] = 'rq_steps:' .. place
    end
    for _, step in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
        if not step then -- lost by the server: what follows it is worth nothing
            return table.concat(steps, ',')
        end
        steps[#steps + 1] = step
    end
end
return table.concat(steps, ',')
