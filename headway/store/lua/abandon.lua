-- A run ends without an outcome (Celery's Ignore and Reject): nobody holds the task. KEYS: record.
-- ARGV: id, token.
if redis.call('HGET', KEYS[1], 'fence') == ARGV[2] then redis.call('ZREM', LEASES, ARGV[1]) end
