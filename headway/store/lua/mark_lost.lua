-- A worker's parent says that the process of a run is gone. KEYS: record. ARGV: id, token, order,
-- ttl ms.
-- Returns 'requeued', 'cancelled', 'exhausted' when the failure is the task's end, or why it
-- changes nothing.
local record, id = KEYS[1], ARGV[1]
local held = load(record)
local refused = refusal_of(held, ARGV[2], tonumber(ARGV[3]))
if refused then return refused end
-- A successor may run already that had not taken over yet.
if is_running(held) and held.fence ~= ARGV[2] then return 'superseded' end
if not is_attended() then return 'exhausted' end  -- nobody would send the task again
return requeue_lost(record, id, held, ARGV[2], ARGV[4])
