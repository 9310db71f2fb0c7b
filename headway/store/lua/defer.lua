-- Keep a message that is for later until it is time to send it.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: generation of the message; ARGV[3]: name, ARGV[4]: title,
-- ARGV[5]: max_attempts, as JSON fragments; ARGV[6]: message; ARGV[7]: queue; ARGV[8]: ttl in ms;
-- ARGV[9]: when, see resolve_time; ARGV[10]: token, ARGV[11]: generation of the run that asks ('' for
-- none); ARGV[12]: id of the send ('' unknown); ARGV[13]: '1' for a message that says its task had
-- a record; ARGV[14]: where the broker holds it, see settle ('' where it comes from no broker);
-- ARGV[15]: '1' to keep it only where workers sweep; ARGV[16]: owner of a task that has no record
-- yet ('' none); ARGV[17]: digest of what a task that is sent is unique by (''), ARGV[18]: its
-- line (''), see turns.lua; ARGV[19]: '1' to cancel the open task of that digest, ARGV[20]: us for
-- which a run of that one may go on; ARGV[21]: its priority, see priorities.lua; ARGV[22]: the task
-- that started it ('').
-- Returns 'deferred', 'due' where nobody runs it and its time has come, or why not: 'busy' where
-- another send has not ended, {'existing', id} where one that is unique is open.
local record = KEYS[1]
local id = ARGV[1]
local generation = tonumber(ARGV[2])
local name = ARGV[3]
local title = ARGV[4]
local max_attempts = ARGV[5]
local message = ARGV[6]
local queue = ARGV[7]
local ttl_from_then = tonumber(ARGV[8])
local at = resolve_time(ARGV[9])
local run_token = ARGV[10]
local run_generation = tonumber(ARGV[11])
local send = ARGV[12]
local recorded = ARGV[13] == '1'
local delivery = ARGV[14]
local only_attended = ARGV[15] == '1'
local owner = ARGV[16]
local unique = ARGV[17]
local line = ARGV[18]
local replaces = ARGV[19] == '1'
local grace = tonumber(ARGV[20])
local priority = ARGV[21]
local parent = ARGV[22]
local ttl = ttl_from_then + math.max(0, math.floor((at - NOW) / 1000))
local held = load(record)
if not held.phase then owner = resolve_owner(owner, parent, id) end
if only_attended and not held.phase and not is_attended() then return 'unattended' end
settle(delivery)  -- from here on it waits here, or is not wanted
if is_forgotten(held) and not is_new_send(held, send) then return 'final' end
if recorded and not held.phase then return 'expired' end
if is_former_send(held, send) then return 'stale' end
local again = FINAL[held.phase] and is_new_send(held, send)
local renewal = again and restarted_fields(record, id, held, name, max_attempts)
if again then held.phase = nil end
local refused = not is_forgotten(held) and refusal_of(held, run_token, run_generation)
if refused then return refused end
if held.phase and generation < held.generation then return 'stale' end
local is_sent = held.phase and is_only_sent(record, held.phase) and not is_new_send(held, send)
local is_first = not held.phase or is_sent
if not is_first and generation == held.generation and held.phase ~= 'retrying' then
  return is_new_send(held, send) and 'busy' or 'known'
end
local open_id, open
if not held.phase then open_id, open = open_task(owner, unique) end
if open_id and not replaces then return {'existing', open_id} end
if open_id then replace_open(open_id, open, ttl, grace) end
redis.call('ZADD', OUTBOX, at, id)
if not is_first then
  -- The next attempt; it may come before its predecessor has stored that it retries.
  local dependents = dependents_of(message)
  redis.call('HSET', record, 'message', message, 'queue', queue, 'dependents', dependents,
    'priority', priority)
  redis.call('PEXPIRE', record, ttl, 'GT')
  local list = list_of(held.fields)
  if list then note_expiry(record, list, id, held.phase) end
else
  local fields = renewal or is_sent and queued_fields('"Pending..."')
    or new_fields(name, title, max_attempts)
  if not renewal and not is_sent then add_to_list(owner, parent, id, fields) end
  note_unique(owner, unique, id, fields, ttl)
  join_line(fields, line, queue)
  fields.sends = with_send(held, send)
  if at > NOW then
    fields.phase = '"scheduled"'
    fields.status = '""'
    fields.scheduled_for = format_time(at)
  end
  fields.message = message
  fields.queue = queue
  note_priority(held, fields, priority)
  fields.generation = integer(generation)
  fields.dependents = dependents_of(message)
  store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
  if stop_part(record, id, fields, ttl, grace) then return 'deferred' end
end
return at <= NOW and not is_running(held) and 'due' or 'deferred'
