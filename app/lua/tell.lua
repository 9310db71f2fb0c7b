-- Whoever has the message of a task that has ended asks whether to tell its dependents. ARGV: id. Returns 1 where nobody
-- has and nobody does just now, else 0.
local due = tonumber(redis.call('ZSCORE', UNTOLD, ARGV[1]))
if not due or (due > NOW and due <= NOW + TELL_US) then return 0 end
redis.call('ZADD', UNTOLD, NOW + TELL_US, ARGV[1])
return 1
