-- Forget a task that has ended, as a person asks for it.
-- KEYS[1]: the record. ARGV[1]: id.
-- Returns 'forgotten', or why not: 'unknown', 'not_final', 'busy' while others are being told of
-- its end by the message that is kept here.
-- For as long as the record would have been kept, the ids of the task's sends stay in its place:
-- a message that comes late must not begin the task once more.
local record = KEYS[1]
local id = ARGV[1]
local held = load(record)
if not held.phase then return 'unknown' end
if not FINAL[held.phase] then return 'not_final' end
local fields = held.fields
local is_awaited = redis.call('ZSCORE', UNNOTIFIED, id)
if is_awaited and fields.dependents ~= 'unknown' then return 'busy' end

local ttl = redis.call('PTTL', record)
settle(fields.delivery)
local uploads = redis.call('HGET', record, 'uploads')
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
local owner = fields.owner or ''
if owner ~= '' then forget_task(owner, id) end
publish_event(id, owner, event)
return 'forgotten'
