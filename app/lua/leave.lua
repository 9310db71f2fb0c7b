-- A worker that stops gives back what it runs, which counts as no failure; its messages go back to the broker by
-- themselves. ARGV: worker, ttl ms, then id, token, ...
redis.call('ZREM', 'headway:workers', ARGV[1])
for i = 3, #ARGV, 2 do
  local record, id = 'headway:task:' .. ARGV[i], ARGV[i]
  local held = hold(record)
  if begun(held) and held.fence == ARGV[i + 1] then
    if held.cancel then
      revoke(record, id, held, ARGV[2])
    else
      requeue(record, id, held, held.fence, '"Pending..."', ARGV[2])
      redis.call('ZREM', OUTBOX, id)  -- a successor that it has asked for and not made way for
    end
  end
end
