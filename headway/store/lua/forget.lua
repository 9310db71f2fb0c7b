-- Forget a task that has ended, as a person asks for it.
-- KEYS[1]: the record. ARGV[1]: id.
-- Returns {'forgotten'}, {'parts', id, ...} of some that are to be forgotten before, or {why not}:
-- 'unknown', 'not_final' (also where not all its parts have ended), 'busy' while others are being
-- told of its end by the message that is kept here.
-- For as long as the record would have been kept, the ids of the task's sends stay in its place:
-- a message that comes late must not begin the task once more.
local PARTS_AT_ONCE = 100
local record = KEYS[1]
local id = ARGV[1]
local held = load(record)
if not held.phase then return {'unknown'} end
if not FINAL[held.phase] then return {'not_final'} end
local fields = held.fields
if has_open_parts(fields) then return {'not_final'} end
local is_awaited = redis.call('ZSCORE', UNNOTIFIED, id)
if is_awaited and fields.dependents ~= 'unknown' then return {'busy'} end
local parts = redis.call('ZRANGE', list_key('parts:' .. id), 0, PARTS_AT_ONCE - 1)
local kept = {}
for _, part in ipairs(parts) do
  if redis.call('HEXISTS', record_key(part), 'phase') == 1 then
    kept[#kept + 1] = part
  else
    forget_task('parts:' .. id, part)
  end
end
if #parts > 0 then return {'parts', unpack(kept)} end

local ttl = redis.call('PTTL', record)
settle(fields.delivery)
local uploads = redis.call('HGET', record, 'uploads')
leave_parent(id, ttl)
delete_streams(id, fields.streams)
redis.call('DEL', record, log_key(id), points_key(id), result_key(id))
-- Celery's result of a task that was cancelled before it began stays: its message, when it comes,
-- tells the dependents with it.
if not is_awaited or held.phase ~= 'cancelled' then
  redis.call('DEL', celery_key(id))
  redis.call('ZREM', UNNOTIFIED, id)
end
redis.call('HSET', record, 'sends', fields.sends or '')
release_uploads(uploads, id)
if ttl > 0 then redis.call('PEXPIRE', record, ttl) end
for _, set in ipairs({LEASES, RESERVED, OUTBOX, KILL_DEADLINES}) do redis.call('ZREM', set, id) end
local event = '["forgotten",{"task_id":"' .. id .. '","version":' .. fields.version .. '}]'
local list = list_of(fields)
if list then forget_task(list, id) end
publish_event(id, fields, event)
return {'forgotten'}
