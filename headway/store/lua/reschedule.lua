-- Set another time for a task that waits for one.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: ttl in ms; ARGV[3]: when, see resolve_time.
-- Returns {'scheduled' or 'queued', snapshot}, or {why not}.
local record = KEYS[1]
local id = ARGV[1]
local ttl = tonumber(ARGV[2])
local at = resolve_time(ARGV[3])
local held = load(record)
if not held.phase then return {'unknown'} end
if held.phase ~= 'scheduled' and held.phase ~= 'retrying' then return {'not_waiting'} end
if is_only_sent(record, held.phase) then return {'not_waiting'} end
redis.call('ZADD', OUTBOX, at, id)
if at > NOW then
  ttl = ttl + math.floor((at - NOW) / 1000)
  return {'scheduled', store_version(record, id, held, {scheduled_for = format_time(at)}, nil, ttl)}
end
local fields = queued_fields('"Pending..."')
return {'queued', store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)}
