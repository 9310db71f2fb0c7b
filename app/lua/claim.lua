-- A worker's delivery asks for the task. KEYS: record.
-- ARGV: id, token, order, name, title, max_attempts, hostname (fragments), message, queue, ttl ms, lease us, run.
-- Returns 'claimed', 'lost' when another run of this delivery had it, or why not.
local record, id, token, order, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[10]
local held = hold(record)
if held.phase and FINAL[held.phase] then return 'final' end
if held.phase and order < held.order then return 'stale' end
-- The same run asks again when its reply was lost; the pool hands on what a process of it had only just begun as it died.
if held.fence == token then return redis.call('HGET', record, 'run') == ARGV[12] and 'claimed' or 'lost' end
if string.find(held.spent, token, 1, true) then return 'superseded' end
if held.cancel then
  revoke(record, id, held, ttl)
  return 'cancelled'
end
-- Should the holder be lost, the keepers see to it when its lease ends; this delivery's message is not needed then.
if begun(held) and order == held.order and has_holder(id) then return 'running' end

local fields = held.phase and {} or blank(id, ARGV[4], ARGV[5], ARGV[6])
fields.name, fields.max_attempts = ARGV[4], ARGV[6]
fields.message, fields.queue = ARGV[8], ARGV[9]
fields.phase, fields.current, fields.total, fields.status, fields.step = '"running"', '0', '1', '""', 'null'
fields.error, fields.scheduled_for, fields.started_at, fields.high = 'null', 'null', stamp(NOW), '0'
fields.attempt = integer(held.attempt + 1)
fields.fence, fields.order, fields.spent = token, integer(order), held.spent .. ' ' .. held.fence
fields.run = ARGV[12]
redis.call('ZADD', LEASES, NOW + tonumber(ARGV[11]), id)
redis.call('ZREM', OUTBOX, id)
commit(record, id, held, fields, celery_meta(id, 'STARTED', '{"hostname":' .. ARGV[7] .. '}'), ttl)
return 'claimed'
