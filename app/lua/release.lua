-- A worker that stops gives up its leases. ARGV: id, token, ... A lease is given up only by its holder.
for i = 1, #ARGV, 2 do
  local held = hold('headway:task:' .. ARGV[i])
  if held.fence == ARGV[i + 1] then redis.call('ZREM', LEASES, ARGV[i]) end
end
