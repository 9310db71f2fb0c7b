-- What a keeper has to send now. ARGV: how many at the most, ttl ms, meta's head and tail (the id goes between).
-- Returns id, message, ...; each stays in the outbox, put off by 5 s, until `sent` strikes it: a keeper may die here.
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', NOW, 'LIMIT', 0, tonumber(ARGV[1]))) do
  local record = 'headway:task:' .. id
  local values = redis.call('HMGET', record, 'phase', 'message', 'queue')
  local phase = text(values[1] or nil)
  local lease = tonumber(redis.call('ZSCORE', LEASES, id) or 0)
  if phase == 'running' and lease > NOW then
    redis.call('ZADD', OUTBOX, lease, id)
  elseif phase == 'scheduled' or phase == 'queued' or phase == 'running' then
    redis.call('ZADD', OUTBOX, NOW + 5000000, id)
    if phase == 'scheduled' then
      redis.call('ZADD', WAITING .. values[3], NOW, id)
      local fields = {phase = '"queued"', status = '"Pending..."', scheduled_for = 'null'}
      commit(record, id, fields, ARGV[3] .. id .. ARGV[4], ARGV[2])
    end
    found[#found + 1] = id
    found[#found + 1] = values[2]
  else
    redis.call('ZREM', OUTBOX, id)
  end
end
return found
