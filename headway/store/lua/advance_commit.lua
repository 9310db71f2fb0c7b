-- Advance the commit point of a run's at-most-once effect.
-- KEYS[1]: the record. ARGV[1]: token, ARGV[2]: order of the run's delivery; ARGV[3]: stage,
-- 'prepared' or 'committing'.
-- Returns 'written', 'cancelling' (it has to stop), 'unknown' (another run was lost while it
-- committed), or why not.
local record = KEYS[1]
local token = ARGV[1]
local order = tonumber(ARGV[2])
local stage = ARGV[3]
local held = load(record)
local refused = refusal_of(held, token, order)
if refused then return refused end
local mail, mailer = unpack(redis.call('HMGET', record, 'mail', 'mailer'))
if mail == 'committing' and mailer ~= token then return 'unknown' end
if held.cancel then return 'cancelling' end
redis.call('HSET', record, 'mail', stage, 'mailer', token)
return 'written'
