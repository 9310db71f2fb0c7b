-- Claim a task for a run, which a worker begins for a delivery of its message.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the delivery; ARGV[4]: name,
-- ARGV[5]: title, ARGV[6]: max_attempts, ARGV[7]: hostname, as JSON fragments; ARGV[8]: the message
-- that is kept; ARGV[9]: queue; ARGV[10]: ttl in ms; ARGV[11]: lease in us; ARGV[12]: id of this
-- run; ARGV[13]: id of the send ('' unknown); ARGV[14]: '1' for a message that says its task had a
-- record; ARGV[15]: where the broker holds it, see settle; ARGV[16]: '1' to be told 'early' where
-- no sweep has seen Redis since it was away: it may have been restored from a backup; ARGV[17]:
-- owner of a task that has no record yet ('' none), ARGV[18]: the task that started it ('');
-- ARGV[19]: priority, see priorities.lua; ARGV[20]: the message that is kept where all is paused.
-- Returns 'claimed', 'lost' when another run of this delivery had it, or why not.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local name = ARGV[4]
local title = ARGV[5]
local max_attempts = ARGV[6]
local hostname = ARGV[7]
local message = ARGV[8]
local queue = ARGV[9]
local ttl = ARGV[10]
local lease = tonumber(ARGV[11])
local run = ARGV[12]
local send = ARGV[13]
local recorded = ARGV[14] == '1'
local delivery = ARGV[15]
local is_patient = ARGV[16] == '1'
local owner = ARGV[17]
local parent = ARGV[18]
local priority = ARGV[19]
local unbegun = ARGV[20]
local last = is_patient and redis.call('GET', LAST_SWEEP)
if last and NOW - number(last) > 5000000 then return 'early' end
local held = load(record)
if is_forgotten(held) and not is_new_send(held, send) then return 'final' end
if recorded and not held.phase then return 'expired' end
if is_former_send(held, send) then return 'stale' end
local again = FINAL[held.phase] and is_new_send(held, send)
if FINAL[held.phase] and not again then
  -- Ended before its message was known here: with it, people can run the task again.
  if redis.call('HSETNX', record, 'message', message) == 1 then
    redis.call('HSET', record, 'queue', queue)
  end
  return 'final'
end
local fields = {}
if again then
  fields = restarted_fields(record, id, held, name, max_attempts)
elseif not held.phase then
  fields = new_fields(name, title, max_attempts)
  add_to_list(resolve_owner(owner, parent, id), parent, id, fields)
end
if held.phase == 'waiting' then return 'waiting' end
if held.phase and generation < held.generation then return 'stale' end
-- The same run asks again if its reply was lost. Another run of this delivery means that a process
-- died as it began, and the pool handed the delivery to another process.
if held.fence == token then
  return redis.call('HGET', record, 'run') == run and 'claimed' or 'lost'
end
if string.find(held.revoked_tokens, token, 1, true) then return 'superseded' end
if held.cancel then
  revoke(record, id, held, ttl)
  return 'cancelled'
end
-- Should the holder be lost, maintenance sends the task again when its lease ends, so this
-- delivery's message is not needed.
if is_running(held) and generation == held.generation and has_holder(id) then return 'running' end

if redis.call('HEXISTS', PAUSED, 'since') == 1 then
  for field, value in pairs(queued_fields('"Pending..."')) do fields[field] = value end
  fields.message = unbegun
  fields.queue = queue
  note_priority(held, fields, priority)
  fields.generation = integer(generation)
  fields.sends = with_send(held, send)
  settle(delivery)
  redis.call('ZADD', OUTBOX, NOW, id)  -- it is sent after `resume`
  store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
  return 'paused'
end

local is_another = held.phase and nesting_of(generation) ~= nesting_of(held.generation)  -- it replaces one
if is_another then saves.forget(record) end
fields.name = name
fields.worker = hostname
if held.attempt == 0 then fields.max_attempts = max_attempts end  -- a retry may have asked for more
fields.message = message
fields.queue = queue
note_priority(held, fields, priority)
fields.dependents = dependents_of(message)
fields.phase = '"running"'
fields.status = going_on(record, 'Goes on ') or '""'
fields.current = '0'
fields.total = '1'
fields.max_fraction = '0'
fields.step = 'null'
fields.error = 'null'
fields.scheduled_for = 'null'
fields.started_at = format_time(NOW)
fields.attempt = integer(held.attempt + 1)
fields.fence = token
fields.generation = integer(generation)
if held.fence ~= '' then fields.revoked_tokens = held.revoked_tokens .. ' ' .. held.fence end
fields.run = run
if held.fields.streams then
  local outdated
  fields.streams, outdated = cut_streams(id, held.fields.streams, is_another)
  files.withdraw(record, fields, outdated)
end
fields.sends = with_send(held, send)
fields.delivery = delivery
-- The broker need not keep a former message of this id; if it redelivers this one, that has to say
-- that its task had a record.
if held.fields.delivery ~= delivery then settle(held.fields.delivery) end
if not recorded then mark_recorded(delivery, id) end
redis.call('ZADD', LEASES, NOW + lease, id)
redis.call('ZREM', OUTBOX, id)
local meta = celery_meta(id, 'STARTED', '{"hostname":' .. hostname .. '}')
store_version(record, id, held, fields, meta, ttl)
return 'claimed'
