-- A worker says that it is there and what it holds. ARGV: worker, present us, lease us, how many run, then id, token for
-- each that runs, then the ids of those that it has received and not begun.
redis.call('ZREMRANGEBYSCORE', 'headway:workers', '-inf', NOW)
redis.call('ZADD', 'headway:workers', NOW + tonumber(ARGV[2]), ARGV[1])
local runs = tonumber(ARGV[4])
for i = 5, 3 + 2 * runs, 2 do
  -- Renewed by its holder alone, and never made anew: whoever gave it up may have ended meanwhile.
  if redis.pcall('HGET', 'headway:task:' .. ARGV[i], 'fence') == ARGV[i + 1] then
    redis.call('ZADD', LEASES, 'XX', NOW + tonumber(ARGV[3]), ARGV[i])
  end
end
redis.call('ZREMRANGEBYSCORE', RESERVED, '-inf', NOW)
for i = 5 + 2 * runs, #ARGV do redis.call('ZADD', RESERVED, NOW + tonumber(ARGV[3]), ARGV[i]) end
