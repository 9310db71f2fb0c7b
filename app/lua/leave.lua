-- A worker that stops gives back what it runs, which counts as no failure; its messages go back to the broker by
-- themselves. ARGV: worker, ttl ms, then id, token, ...
redis.call('ZREM', 'headway:workers', ARGV[1])
for i = 3, #ARGV, 2 do
  local record, id = 'headway:task:' .. ARGV[i], ARGV[i]
  local held = hold(record)
  if begun(held) and held.fence == ARGV[i + 1] then
    if held.cancel then
      revoke(record, id, ARGV[2])
    else
      requeue(record, id, held, '"Pending..."', ARGV[2])
    end
  end
end
