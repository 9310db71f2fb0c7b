-- Revoke a token, or all that were made so far, for one subject; tell the web processes.
-- ARGV[1]: token id ('*' for all); ARGV[2]: subject; ARGV[3]: by when they were made in us (0 for
-- one token); ARGV[4]: ms for which that is kept.
-- Returns nothing.
local token_id = ARGV[1]
local subject = ARGV[2]
local made_by = ARGV[3]
local ttl = ARGV[4]
local key = revoked_key(token_id, subject)
-- Of two clocks, the one that is ahead counts.
if number(redis.call('GET', key) or -1) < tonumber(made_by) then
  redis.call('SET', key, made_by, 'PX', ttl)
end
redis.call('PUBLISH', CHANNEL .. 'revoked', made_by .. ' ' .. token_id .. ' ' .. subject)
