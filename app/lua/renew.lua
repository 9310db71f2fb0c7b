-- A worker's leases on what it runs. ARGV: lease us, then id, token, ... A lease is renewed only by its holder.
for i = 2, #ARGV, 2 do
  local held = hold('headway:task:' .. ARGV[i])
  if held.fence == ARGV[i + 1] and held.phase == '"running"' then
    redis.call('ZADD', LEASES, NOW + tonumber(ARGV[1]), ARGV[i])
  end
end
