-- A worker that stops gives back what it runs, which counts as no failure; its messages go back to the broker by
-- themselves. ARGV: ttl ms, then id, token, ...
for i = 2, #ARGV, 2 do
  local record, id = 'headway:task:' .. ARGV[i], ARGV[i]
  local held = hold(record)
  if begun(held) and held.fence == ARGV[i + 1] then
    if held.cancel then
      revoke(record, id, held, ARGV[1])
    else
      requeue(record, id, held, held.fence, '"Pending..."', ARGV[1])
      redis.call('ZREM', OUTBOX, id)  -- a successor that it has asked for and not made way for
    end
  end
end
