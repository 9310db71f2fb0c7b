-- Create the record of a task that Celery sends now. One that is there already stays as it is.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: owner ('' none); ARGV[3]: queue ('' unknown); ARGV[4]:
-- name, ARGV[5]: title, ARGV[6]: max_attempts, as JSON fragments; ARGV[7]: ttl in ms; ARGV[8]:
-- when, see resolve_time; ARGV[9]: id of the send; ARGV[10]: the message as it lies in its queue
-- ('': it is sent by other means); ARGV[11]: the list that is the queue; ARGV[12]: digest of what it
-- is unique by (''); ARGV[13]: the task that started it (''); ARGV[14]: its priority, see
-- priorities.lua.
-- Returns nothing; or the id of the open task because of which this message was not put there.
-- The record does not keep the message: where it never reaches a worker, nothing is sent again, and
-- the record goes when its time is over.
note_use()
local record = KEYS[1]
local id = ARGV[1]
local owner = ARGV[2]
local queue = ARGV[3]
local name = ARGV[4]
local title = ARGV[5]
local max_attempts = ARGV[6]
local ttl = tonumber(ARGV[7])
local at = resolve_time(ARGV[8])
local send = ARGV[9]
local message = ARGV[10]
local list = ARGV[11]
local unique = ARGV[12]
local parent = ARGV[13]
local priority = ARGV[14]
local held = load(record)
if not held.phase then owner = resolve_owner(owner, parent, id) end
local open_id = not held.phase and open_task(owner, unique)
if open_id and message ~= '' then return open_id end
if message ~= '' then redis.call('LPUSH', list, message) end
if held.phase then return end

local fields = new_fields(name, title, max_attempts)
fields.queue = queue
fields.sends = with_send(held, send)  -- after those of a task that was forgotten
fields.dependents = 'unknown'
note_priority(held, fields, priority)
if at > NOW then
  ttl = ttl + math.floor((at - NOW) / 1000)
  fields.phase = '"scheduled"'
  fields.status = '""'
  fields.scheduled_for = format_time(at)
end
add_to_list(owner, parent, id, fields)
if not open_id then note_unique(owner, unique, id, fields, ttl) end
store_version(record, id, held, fields, nil, ttl)
redis.call('PEXPIRE', record, ttl)  -- the claim's is longer
local listed = list_of(fields)
if listed then note_expiry(record, listed, id, text(fields.phase)) end
stop_part(record, id, fields, ttl, 0)
