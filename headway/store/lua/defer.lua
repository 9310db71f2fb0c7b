-- A message that is for later waits here. KEYS: record.
-- ARGV: id, order, name, title, max_attempts (fragments), message, queue, ttl ms, when, and token
-- and order of the run that asks ('' for none), id of the send, '1' for a message whose task had a
-- record, where the broker holds it (see settle; '' where it comes from no broker), '1' for: only
-- where workers sweep, the owner of a task that has no record yet ('' none).
-- Returns 'parked', 'due' where nobody runs it and its time has come, or why not: 'busy' where
-- another send has not ended.
local record, id, order = KEYS[1], ARGV[1], tonumber(ARGV[2])
local message, queue, at = ARGV[6], ARGV[7], resolve_time(ARGV[9])
local ttl = tonumber(ARGV[8]) + math.max(0, math.floor((at - NOW) / 1000))
local send, recorded = ARGV[12], ARGV[13] == '1'
local held = load(record)
if ARGV[15] == '1' and not held.phase and not is_attended() then return 'unattended' end
settle(ARGV[14])  -- from here on it waits here, or is not wanted
if recorded and not held.phase then return 'expired' end
if is_former_send(held, send) then return 'stale' end
local again = FINAL[held.phase] and is_new_send(held, send)
local renewal = again and restarted_fields(record, id, held, ARGV[3], ARGV[5])
if again then held.phase = nil end
local refused = refusal_of(held, ARGV[10], tonumber(ARGV[11]))
if refused then return refused end
if held.phase and order < held.order then return 'stale' end
local is_sent = held.phase and is_only_sent(record, held.phase) and not is_new_send(held, send)
local is_first = not held.phase or is_sent
if not is_first and order == held.order and held.phase ~= 'retrying' then
  return is_new_send(held, send) and 'busy' or 'known'
end
redis.call('ZADD', OUTBOX, at, id)
if not is_first then
  -- The next attempt; it may come before its predecessor has stored that it retries.
  local dependents = dependents_of(message)
  redis.call('HSET', record, 'message', message, 'queue', queue, 'dependents', dependents)
  redis.call('PEXPIRE', record, ttl, 'GT')
  local owner = held.fields.owner or ''
  if owner ~= '' then note_kept(record, owner, id, held.phase) end
else
  local fields = renewal or is_sent and queued_fields('"Pending..."')
    or new_fields(id, ARGV[3], ARGV[4], ARGV[5])
  if not renewal and not is_sent then add_to_owner(ARGV[16], id, fields, ttl) end
  fields.sends = with_send(held, send)
  if at > NOW then
    fields.phase, fields.status, fields.scheduled_for = '"scheduled"', '""', format_time(at)
  end
  fields.message, fields.queue, fields.order = message, queue, integer(order)
  fields.dependents = dependents_of(message)
  store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
end
return at <= NOW and not is_running(held) and 'due' or 'parked'
