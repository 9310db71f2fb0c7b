-- Take a kept message that is due, so that it need not wait for the next sweep.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: ttl in ms.
-- Returns the message, '' where it is not to be sent now.
local record = KEYS[1]
local id = ARGV[1]
local ttl = ARGV[2]
local at = tonumber(redis.call('ZSCORE', OUTBOX, id) or 'inf')
local held = load(record)
-- A message that a sweep has postponed, because the run before had not ended, is still due.
local is_due = at <= NOW or at == tonumber(redis.call('HGET', record, 'postponed') or '')
if not is_due or is_running(held) and has_holder(id) then return '' end
return take_due(record, id, held, ttl) or ''
