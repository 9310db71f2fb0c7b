-- Have what was restored go on, as an operator asks for it.
-- Returns 1 where anything was paused, else 0.
local seen = tonumber(redis.call('HGET', PAUSED, 'seen') or 0)
local generation = tonumber(redis.call('GET', GENERATION) or 0)
if seen > generation then redis.call('SET', GENERATION, integer(seen)) end
return redis.call('DEL', PAUSED)
