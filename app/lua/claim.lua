-- A worker's delivery asks for the task. KEYS: record.
-- ARGV: id, token, order, name, title, max_attempts (fragments), meta, ttl ms, lease us. Returns 'claimed', or why not.
local record, id, token, order = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local held = hold(record)
if held.phase and FINAL[text(held.phase)] then return 'final' end
if held.phase and order < held.order then return 'stale' end
if held.fence == token then return 'claimed' end  -- its reply was lost
if held.phase and order == held.order and held.fence ~= '' then
  local lease = redis.call('ZSCORE', LEASES, id)
  if lease and tonumber(lease) > NOW then
    -- This delivery's message is gone now. Should its holder be gone too, a keeper sends the task again.
    if redis.call('HEXISTS', record, 'message') == 1 then redis.call('ZADD', OUTBOX, lease, id) end
    return 'running'
  end
end

local fields = held.phase and {} or blank(id, ARGV[4], ARGV[5], ARGV[6])
fields.name, fields.max_attempts = ARGV[4], ARGV[6]
fields.phase, fields.current, fields.total, fields.status, fields.step = '"running"', '0', '1', '""', 'null'
fields.error, fields.scheduled_for, fields.started_at, fields.high = 'null', 'null', stamp(NOW), '0'
fields.attempt = integer(held.attempt + 1)
fields.fence, fields.order = token, integer(order)
redis.call('ZADD', LEASES, NOW + tonumber(ARGV[9]), id)
redis.call('ZREM', OUTBOX, id)
commit(record, id, fields, ARGV[7], ARGV[8])
return 'claimed'
