-- Give up a run that ends without an outcome (Celery's Ignore and Reject): nobody holds its task.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token of the run's delivery.
-- Returns nothing.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
if redis.call('HGET', record, 'fence') == token then redis.call('ZREM', LEASES, id) end
