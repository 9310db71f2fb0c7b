-- Note that a worker knows a schedule, and when it is due next.
-- KEYS[1]: the schedule; KEYS[2]: all of them, by when a worker saw them last. ARGV[1]: name;
-- ARGV[2]: title; ARGV[3]: rule, for people; ARGV[4]: now, ARGV[5]: when it is due next, in us;
-- ARGV[6]: seconds for which it is kept.
-- Returns up to when its times are settled, in us, and 1 where it is paused, else 0. The first time
-- they are settled up to now; and where they are settled up to what is to come, as Redis's clock was
-- ahead for a while: nothing would run until then. What ran then has its idempotency key, and does
-- not run again.
local schedule = KEYS[1]
local all = KEYS[2]
local name = ARGV[1]
local title = ARGV[2]
local rule = ARGV[3]
local now = ARGV[4]
local due = ARGV[5]
local seconds = ARGV[6]
local settled = redis.call('HGET', schedule, 'settled') or ''
local is_time = #settled <= 16 and string.match(settled, '^[1-9]%d*$')
if not is_time or tonumber(settled) > NOW then
  redis.call('HSET', schedule, 'settled', now)
end
redis.call('HSET', schedule, 'title', title, 'rule', rule, 'seen', now, 'next', due)
redis.call('EXPIRE', schedule, seconds)
redis.call('ZADD', all, now, name)
return {redis.call('HGET', schedule, 'settled'), redis.call('HEXISTS', schedule, 'paused')}
