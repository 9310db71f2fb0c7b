-- Another time for a task that waits for one. KEYS: record. ARGV: id, ttl ms, when.
-- Returns {'scheduled' or 'queued', snapshot}, or {why not}.
local record, id, at = KEYS[1], ARGV[1], resolve_time(ARGV[3])
local held = load(record)
if not held.phase then return {'unknown'} end
if held.phase ~= 'scheduled' and held.phase ~= 'retrying' then return {'not_waiting'} end
if is_only_sent(record, held.phase) then return {'not_waiting'} end
redis.call('ZADD', OUTBOX, at, id)
if at > NOW then
  local ttl = tonumber(ARGV[2]) + math.floor((at - NOW) / 1000)
  return {'scheduled', store_version(record, id, held, {scheduled_for = format_time(at)}, nil, ttl)}
end
local fields = queued_fields('"Pending..."')
return {'queued', store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ARGV[2])}
