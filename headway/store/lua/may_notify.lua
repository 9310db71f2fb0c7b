-- Ask to notify the dependents of an ended task, as one who holds its message.
-- ARGV[1]: id.
-- Returns 1, or 0 where they have been notified or another process is doing so.
local id = ARGV[1]
local due = tonumber(redis.call('ZSCORE', UNNOTIFIED, id))
if not due or (due > NOW and due <= NOW + NOTIFY_US) then return 0 end
redis.call('ZADD', UNNOTIFIED, NOW + NOTIFY_US, id)
return 1
