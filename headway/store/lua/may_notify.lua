-- Whether a holder of an ended task's message has to tell its dependents. ARGV: id.
-- Returns 1, or 0 where they have been told or are being told.
local id = ARGV[1]
local due = tonumber(redis.call('ZSCORE', UNNOTIFIED, id))
if not due or (due > NOW and due <= NOW + NOTIFY_US) then return 0 end
redis.call('ZADD', UNNOTIFIED, NOW + NOTIFY_US, id)
return 1
