-- Create the record of a new task, and send its message or put it into the outbox.
-- KEYS[1]: the record; KEYS[2]: the idempotency key, if there is one.
-- ARGV[1]: id; ARGV[2]: owner ('' none); ARGV[3]: queue; ARGV[4]: name, ARGV[5]: title, ARGV[6]:
-- max_attempts, as JSON fragments; ARGV[7]: the message that is kept; ARGV[8]: ttl in ms; ARGV[9]:
-- deadline in us; ARGV[10]: digest of the body; ARGV[11]: when, see resolve_time; ARGV[12]: the
-- message as it lies in its queue ('': it is sent later); ARGV[13]: id of the send; ARGV[14]: the
-- list that is the queue; ARGV[15]: words of the arguments by which the task is found; ARGV[16]:
-- the task at whose last save it goes on ('' none); ARGV[17]: digest of what it is unique by (''),
-- ARGV[18]: its lines (''), see turns.lua; ARGV[19]: '1' to cancel the open task of that digest,
-- ARGV[20]: us for which a run of that one may go on; ARGV[21]: its priority, see priorities.lua;
-- ARGV[22]: the task that started it (''), ARGV[23]: the task whose place it takes among the parts
-- of that one (''); ARGV[24] on: ids of the uploads among its arguments, which are kept as long as
-- it is.
-- Returns {'created', 'scheduled', 'in_line', 'replayed' or 'existing', id, snapshot}, or {why not}:
-- 'late', 'conflict'.
local record = KEYS[1]
local once = KEYS[2]
local id = ARGV[1]
local queue = ARGV[3]
local name = ARGV[4]
local title = ARGV[5]
local max_attempts = ARGV[6]
local message = ARGV[7]
local ttl = tonumber(ARGV[8])
local deadline = tonumber(ARGV[9])
local digest = ARGV[10]
local at = resolve_time(ARGV[11])
local encoded = ARGV[12]
local send = ARGV[13]
local list = ARGV[14]
local words = ARGV[15]
local source = ARGV[16]
local unique = ARGV[17]
local line = ARGV[18]
local replaces = ARGV[19] == '1'
local grace = tonumber(ARGV[20])
local priority = ARGV[21]
local parent = ARGV[22]
local owner = resolve_owner(ARGV[2], parent, id)
local former_part = ARGV[23]
local FIRST_UPLOAD = 24

-- A command that waited in a socket while Redis hung comes too late: its caller has been told "not
-- started".
if NOW > deadline then return {'late'} end
note_use()

local function note_once(task_id)
  if not once then return end
  redis.call('HSET', once, 'id', task_id, 'digest', digest)
  redis.call('PEXPIRE', once, ttl)
end

if once then
  local known_id, known_digest = unpack(redis.call('HMGET', once, 'id', 'digest'))
  local former = known_id and load(record_key(known_id))
  if former and former.phase then
    if known_digest ~= digest then return {'conflict'} end
    local _, json = render(known_id, former.fields)
    return {'replayed', known_id, json}
  end
end

local open_id, open = open_task(owner, unique)
if open_id and not replaces then
  note_once(open_id)
  local _, json = render(open_id, open.fields)
  return {'existing', open_id, json}
end

if open_id then replace_open(open_id, open, ttl, grace) end
local held = load(record)
local fields = new_fields(name, title, max_attempts)
fields.queue = queue
fields.message = message
fields.sends = send
fields.words = words
note_priority(held, fields, priority)
if source ~= '' then
  for field, value in pairs(saves.take(source, id)) do fields[field] = value end
end
-- Its sender removes the message from the outbox; one that stays (the sender died) is sent by
-- maintenance.
local due = NOW + 5000000
if at > NOW then
  due = at
  ttl = ttl + math.floor((at - NOW) / 1000)
  fields.phase = '"scheduled"'
  fields.status = '""'
  fields.scheduled_for = format_time(at)
end
join_line(fields, line, queue)
local waits = at <= NOW and not takes_turn(owner, line, id, priority, ttl)
if waits then
  due = NOW + RECHECK_TURN
  for field, value in pairs(waiting_fields()) do fields[field] = value end
end
if at > NOW or waits or encoded == '' then
  redis.call('ZADD', OUTBOX, due, id)
else
  redis.call('LPUSH', list, encoded)
end
local former_parent = former_part ~= '' and parent_of_failed(former_part)
add_to_list(owner, former_parent or parent, id, fields)
if former_parent and fields.parent_id then take_place(former_part, id, fields, ttl) end
local listed = list_of(fields)
if listed then forget_expired(listed, {'succeeded', 'failed', 'cancelled'}, 3) end
note_once(id)
note_unique(owner, unique, id, fields, ttl)
for i = FIRST_UPLOAD, #ARGV do hold_upload(ARGV[i], id, ttl + UNENDED) end
if #ARGV >= FIRST_UPLOAD then fields.uploads = table.concat(ARGV, ' ', FIRST_UPLOAD) end
local json = store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
if source ~= '' then note_continuation(source, id, ttl) end
json = stop_part(record, id, fields, ttl, grace) or json
return {at > NOW and 'scheduled' or waits and 'in_line' or 'created', id, json}
