-- A worker's delivery asks for the task. KEYS: record.
-- ARGV: id, token, order, name, title, max_attempts, hostname (fragments), message, queue, ttl ms,
-- lease us, run, id of the send ('' unknown), '1' for a message whose task had a record, where the
-- broker holds it (see settle), '1' to be told 'early' where no sweep has seen Redis since it was
-- away: it may have been restored from a backup; the owner of a task that has no record yet (''
-- none).
-- Returns 'claimed', 'lost' when another run of this delivery had it, or why not.
local record, id, token, order, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[10]
local send, recorded, delivery = ARGV[13], ARGV[14] == '1', ARGV[15]
local last = ARGV[16] == '1' and redis.call('GET', LAST_SWEEP)
if last and NOW - tonumber(last) > 5000000 then return 'early' end
local held = load(record)
if recorded and not held.phase then return 'expired' end
if is_former_send(held, send) then return 'stale' end
local again = FINAL[held.phase] and is_new_send(held, send)
if FINAL[held.phase] and not again then
  -- Ended before its message was known here: with it, people can run the task again.
  if redis.call('HSETNX', record, 'message', ARGV[8]) == 1 then
    redis.call('HSET', record, 'queue', ARGV[9])
  end
  return 'final'
end
local fields = {}
if again then
  fields = restarted_fields(record, id, held, ARGV[4], ARGV[6])
elseif not held.phase then
  fields = new_fields(id, ARGV[4], ARGV[5], ARGV[6])
  add_to_owner(ARGV[17], id, fields, tonumber(ttl))
end
if held.phase and order < held.order then return 'stale' end
-- The same run asks again when its reply was lost; the pool hands on what a process of it had only
-- just begun as it died.
if held.fence == token then
  return redis.call('HGET', record, 'run') == ARGV[12] and 'claimed' or 'lost'
end
if string.find(held.revoked_tokens, token, 1, true) then return 'superseded' end
if held.cancel then
  revoke(record, id, held, ttl)
  return 'cancelled'
end
-- Should the holder be lost, maintenance does when its lease ends; this delivery's message is not
-- needed then.
if is_running(held) and order == held.order and has_holder(id) then return 'running' end

if redis.call('EXISTS', PAUSED) == 1 then
  for name, value in pairs(queued_fields('"Pending..."')) do fields[name] = value end
  fields.message, fields.queue = ARGV[8], ARGV[9]
  fields.order, fields.sends = integer(order), with_send(held, send)
  settle(delivery)
  redis.call('ZADD', OUTBOX, NOW, id)  -- it is sent when all goes on
  store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
  return 'paused'
end

fields.name = ARGV[4]
fields.worker = ARGV[7]
if held.attempt == 0 then fields.max_attempts = ARGV[6] end  -- a retry may have asked for more
fields.message, fields.queue, fields.dependents = ARGV[8], ARGV[9], dependents_of(ARGV[8])
fields.phase, fields.status = '"running"', '""'
fields.current, fields.total, fields.high = '0', '1', '0'
fields.step, fields.error, fields.scheduled_for = 'null', 'null', 'null'
fields.started_at = format_time(NOW)
fields.attempt = integer(held.attempt + 1)
fields.fence, fields.order = token, integer(order)
fields.spent = held.revoked_tokens .. ' ' .. held.fence
fields.run = ARGV[12]
fields.sends, fields.delivery = with_send(held, send), delivery
-- The broker need keep no former message of this id, and this one has to say that it was here.
if held.fields.delivery ~= delivery then settle(held.fields.delivery) end
if not recorded then mark_recorded(delivery, id) end
redis.call('ZADD', LEASES, NOW + tonumber(ARGV[11]), id)
redis.call('ZREM', OUTBOX, id)
local meta = celery_meta(id, 'STARTED', '{"hostname":' .. ARGV[7] .. '}')
store_version(record, id, held, fields, meta, ttl)
return 'claimed'
