-- A worker that stops gives back what it runs, which counts as no failure; its messages go back to
-- the broker by themselves. ARGV: ttl ms, then id, token, ...
for i = 2, #ARGV, 2 do
  for_each(LEASES, {ARGV[i]}, function(id)
    local record = record_key(id)
    local held = load(record)
    if not is_running(held) or held.fence ~= ARGV[i + 1] then return end
    if held.cancel then
      revoke(record, id, held, ARGV[1])
    else
      requeue(record, id, held, held.fence, '"Pending..."', ARGV[1])
      redis.call('ZREM', OUTBOX, id)  -- a successor that it has asked for and not made way for
    end
  end)
end
