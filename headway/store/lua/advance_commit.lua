-- A run says how far its at-most-once effect is. KEYS: record. ARGV: token, order, 'prepared' or
-- 'committing'.
-- Returns 'written', 'cancelling' (it has to stop), 'unknown' (another run was lost while it
-- committed), or why not.
local held = load(KEYS[1])
local refused = refusal_of(held, ARGV[1], tonumber(ARGV[2]))
if refused then return refused end
local mail, mailer = unpack(redis.call('HMGET', KEYS[1], 'mail', 'mailer'))
if mail == 'committing' and mailer ~= ARGV[1] then return 'unknown' end
if held.cancel then return 'cancelling' end
redis.call('HSET', KEYS[1], 'mail', ARGV[3], 'mailer', ARGV[1])
return 'written'
