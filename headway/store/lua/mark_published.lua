-- Note that a task's message is with the broker.
-- KEYS[1]: the record. ARGV[1]: id.
-- Returns nothing.
-- A late note removes nothing that was put into the outbox since: the task may have begun, failed
-- and be waiting for its next attempt. What a late one removes all the same, the missing-message
-- check finds.
local record = KEYS[1]
local id = ARGV[1]
if redis.call('HGET', record, 'phase') == '"queued"' then redis.call('ZREM', OUTBOX, id) end
