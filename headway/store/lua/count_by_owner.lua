-- Count the tasks of an owner that are kept in each phase.
-- ARGV[1]: owner.
-- Returns {in the owner's list, in the index, expired of these, phase, count, ...}.
local owner = ARGV[1]
local now = integer(NOW / 1000)
local found = {redis.call('ZCARD', owner_key(owner)), 0, 0}
for _, phase in ipairs(PHASES) do
  local set = phase_key(owner, phase)
  local expired = redis.call('ZCOUNT', set, '-inf', now)
  local all = redis.call('ZCARD', set)
  found[2] = found[2] + all
  found[3] = found[3] + expired
  found[#found + 1] = phase
  found[#found + 1] = all - expired
end
return found
