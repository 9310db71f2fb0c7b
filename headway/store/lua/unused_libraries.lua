-- List the function libraries that no process has used for a while.
-- ARGV[1]: for how long, in us.
-- Returns their digests.
note_use()
local unused_for = tonumber(ARGV[1])
return redis.call('ZRANGEBYSCORE', LIBRARIES, '-inf', NOW - unused_for)
