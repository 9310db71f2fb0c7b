-- Cancel open parts of a task, and from now on each that it starts.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: ttl in ms; ARGV[3]: us that a run has to end by
-- itself; ARGV[4]: how many parts at most.
-- Returns {how many were looked at, how many were cancelled, {id, ...} of parts that have parts}: these
-- with the last open ones.
local record = KEYS[1]
local id = ARGV[1]
local ttl = ARGV[2]
local grace = tonumber(ARGV[3])
local limit = tonumber(ARGV[4])
local looked = 0
local stopped = 0
local list = 'parts:' .. id
if not load(record, SHORT).phase then return {0, 0, {}} end
redis.call('HSET', record, 'parts_cancelled', '1')

local function cancel_part(set, part)
  local held = load(record_key(part))
  looked = looked + 1
  if not held.phase or FINAL[held.phase] or held.phase == 'cancelling' then
    redis.call('ZREM', set, part)  -- the index is behind
  else
    cancel_open(record_key(part), part, held, ttl, grace)
    stopped = stopped + 1
  end
end

for _, phase in ipairs(PHASES) do
  if not FINAL[phase] and phase ~= 'cancelling' and looked < limit then
    local set = phase_key(list, phase)
    for _, part in ipairs(redis.call('ZRANGE', set, 0, limit - looked - 1)) do
      cancel_part(set, part)
    end
  end
end
local nested = looked < limit and redis.call('ZRANGE', phase_key(list, NESTED), 0, -1) or {}
return {looked, stopped, nested}
