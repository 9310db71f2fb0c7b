-- Count the tasks of a list that are kept in each phase.
-- ARGV[1]: list.
-- Returns {in the list, in the index, expired of these, parts of an owner's that have not ended,
-- phase, count, ...}.
local list = ARGV[1]
local now = integer(NOW / 1000)
local found = {redis.call('ZCARD', list_key(list)), 0, 0, 0}
local owner = string.match(list, '^owner:(.*)$')
if owner then found[4] = redis.call('ZCOUNT', open_parts_key(owner), now, '+inf') end
for _, phase in ipairs(PHASES) do
  local set = phase_key(list, phase)
  local expired = redis.call('ZCOUNT', set, '-inf', now)
  local all = redis.call('ZCARD', set)
  found[2] = found[2] + all
  found[3] = found[3] + expired
  found[#found + 1] = phase
  found[#found + 1] = all - expired
end
return found
