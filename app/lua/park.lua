-- A message that is for later waits here. KEYS: record.
-- ARGV: id, order, name, title, max_attempts (fragments), message, queue, ttl ms, when, and token and order of the run
-- that asks ('' for none). Returns 'parked', or why not.
local record, id, order, message, queue, at = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[6], ARGV[7], moment(ARGV[9])
local ttl = tonumber(ARGV[8]) + math.max(0, math.floor((at - NOW) / 1000))
local held = hold(record)
local refused = fenced(held, ARGV[10], tonumber(ARGV[11]))
if refused then return refused end
if held.phase and order < held.order then return 'stale' end
if held.phase and order == held.order and held.phase ~= 'retrying' then return 'known' end
redis.call('ZADD', OUTBOX, at, id)
if held.phase then
  -- The next attempt; it may come before its predecessor has stored that it retries.
  redis.call('HSET', record, 'message', message, 'queue', queue)
  redis.call('PEXPIRE', record, ttl, 'GT')
else
  local fields = blank(id, ARGV[3], ARGV[4], ARGV[5])
  fields.phase, fields.status, fields.scheduled_for = '"scheduled"', '""', stamp(at)
  fields.message, fields.queue, fields.order = message, queue, integer(order)
  commit(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
end
return 'parked'
