-- Take a kept message that is due, so that it need not wait for the next round.
-- KEYS: record. ARGV: id, ttl ms.
-- Returns the message, '' where it is not to be sent now.
local record, id = KEYS[1], ARGV[1]
local at = tonumber(redis.call('ZSCORE', OUTBOX, id) or 'inf')
local held = hold(record)
if at > NOW or begun(held) and has_holder(id) then return '' end
return take_due(record, id, held, ARGV[2]) or ''
