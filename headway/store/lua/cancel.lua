-- Cancel a task, as a person asks for it.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: ttl in ms; ARGV[3]: us that a run has to end by
-- itself.
-- Returns {'cancelled' or 'cancelling', snapshot}, or {why not}: 'unknown', 'final'.
local record = KEYS[1]
local id = ARGV[1]
local ttl = ARGV[2]
local grace = tonumber(ARGV[3])
local held = load(record)
if not held.phase then return {'unknown'} end
if FINAL[held.phase] then return {'final'} end
return {cancel_open(record, id, held, ttl, grace)}
