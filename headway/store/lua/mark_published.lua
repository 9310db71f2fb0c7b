-- A message is with the broker. KEYS: record. ARGV: id. Late news strikes nothing that was put into
-- the outbox since: the task may have begun, failed and be waiting for its next attempt. What a
-- late one strikes all the same, the missing-message check finds.
if redis.call('HGET', KEYS[1], 'phase') == '"queued"' then redis.call('ZREM', OUTBOX, ARGV[1]) end
