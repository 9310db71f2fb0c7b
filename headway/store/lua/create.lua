-- A new task. KEYS: record, owner's list, and where it has one the idempotency key.
-- ARGV: id, owner, queue, name, title, max_attempts (JSON fragments), message, ttl ms, deadline us,
-- body's digest, when, the message as it lies in the queue ('': it is sent later), id of the send,
-- the list that is the queue, words of the arguments by which the task is found.
local record, once = KEYS[1], KEYS[3]
local id, owner, message, ttl, digest = ARGV[1], ARGV[2], ARGV[7], tonumber(ARGV[8]), ARGV[10]

-- A command that waited in a socket while Redis hung comes too late: its caller has been told "not
-- started".
if NOW > tonumber(ARGV[9]) then return {'late'} end
note_use()

if once then
  local known = redis.call('HMGET', once, 'id', 'digest')
  local former = known[1] and load(record_key(known[1]))
  if former and former.phase then
    if known[2] ~= digest then return {'conflict'} end
    local _, json = render(former.fields)
    return {'replayed', known[1], json}
  end
end

local held = load(record)
local fields = new_fields(id, ARGV[4], ARGV[5], ARGV[6])
fields.queue, fields.message, fields.sends = ARGV[3], message, ARGV[13]
fields.words = ARGV[15]
-- Its sender strikes the message from the outbox; one that stays (the sender died) is sent by
-- maintenance.
local due = NOW + 5000000
local at = resolve_time(ARGV[11])
if at > NOW then
  due = at
  ttl = ttl + math.floor((at - NOW) / 1000)
  fields.phase, fields.status, fields.scheduled_for = '"scheduled"', '""', format_time(at)
end
if at > NOW or ARGV[12] == '' then
  redis.call('ZADD', OUTBOX, due, id)
else
  redis.call('LPUSH', ARGV[14], ARGV[12])
end
add_to_owner(owner, id, fields, ttl)
if owner ~= '' then forget_expired(owner, ENDS, 3) end
if once then
  redis.call('HSET', once, 'id', id, 'digest', digest)
  redis.call('PEXPIRE', once, ttl)
end
local json = store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
return {at > NOW and 'scheduled' or 'created', id, json}
