-- A task that Celery sends now. KEYS: record.
-- ARGV: id, owner ('' none), queue ('' unknown), name, title, max_attempts (fragments), ttl ms,
-- when, id of the send, the message as it lies in that queue ('': it is sent by other means), the
-- list that is the queue.
-- Its message is not kept: where it never reaches a worker, nothing is sent again, and the record
-- goes when its time is over. A record that is there already stays as it is.
note_use()
local record, id, owner, queue, ttl = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[7])
local at, send, message = resolve_time(ARGV[8]), ARGV[9], ARGV[10]
local held = load(record)
if message ~= '' then redis.call('LPUSH', ARGV[11], message) end
if held.phase then return end

local fields = new_fields(id, ARGV[4], ARGV[5], ARGV[6])
fields.queue, fields.sends, fields.dependents = queue, send, 'unknown'
if at > NOW then
  ttl = ttl + math.floor((at - NOW) / 1000)
  fields.phase, fields.status, fields.scheduled_for = '"scheduled"', '""', format_time(at)
end
add_to_owner(owner, id, fields, ttl)
store_version(record, id, held, fields, nil, ttl)
redis.call('PEXPIRE', record, ttl)  -- the claim's is longer
if owner ~= '' then note_kept(record, owner, id, text(fields.phase)) end
