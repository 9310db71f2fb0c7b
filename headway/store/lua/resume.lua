-- Have what was restored go on, as an operator asks for it.
-- Returns 1 where anything was paused, else 0.
local seen = number(redis.call('HGET', PAUSED, 'seen'))
local generation = number(redis.call('GET', GENERATION))
if seen > generation then redis.call('SET', GENERATION, integer(seen)) end
return redis.call('DEL', PAUSED)
