-- Note that a schedule's times up to now are settled: by a run, or by none where it was paused.
-- KEYS[1]: the schedule. ARGV[1]: up to when they were settled before, in us; ARGV[2]: up to when
-- they are now, in us; ARGV[3]: id of the task that was started ('' none); ARGV[4]: how many times
-- before it went by without a run.
-- Returns 1; 0 where another worker has settled them meanwhile.
local schedule = KEYS[1]
local before = ARGV[1]
local now = ARGV[2]
local id = ARGV[3]
local missed = ARGV[4]
if redis.call('HGET', schedule, 'settled') ~= before then return 0 end
redis.call('HSET', schedule, 'settled', now)
if id ~= '' then redis.call('HSET', schedule, 'task_id', id, 'missed', missed, 'ran_at', now) end
return 1
