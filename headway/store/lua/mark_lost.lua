-- Record that the process of a run is gone, as its worker's parent knows.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's delivery; ARGV[4]:
-- ttl in ms.
-- Returns 'requeued', 'cancelled', 'exhausted' when the failure is the task's end, or why it
-- changes nothing.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local ttl = ARGV[4]
local held = load(record)
local refused = refusal_of(held, token, generation)
if refused then return refused end
-- The lost run had not claimed the record yet: another run holds it.
if is_running(held) and held.fence ~= token then return 'superseded' end
if not is_attended() then return 'exhausted' end  -- no maintenance would send the task again
return requeue_lost(record, id, held, token, ttl)
