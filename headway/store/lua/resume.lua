-- Have what was restored go on, as an operator asks for it.
-- Returns 1 where anything was paused, else 0.
local seen = number(redis.call('HGET', PAUSED, 'seen'))
local sweeps = number(redis.call('GET', SWEEPS))
if seen > sweeps then redis.call('SET', SWEEPS, integer(seen)) end
return redis.call('DEL', PAUSED)
