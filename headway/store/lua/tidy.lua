-- Bring a list of tasks and its index in order.
-- ARGV[1]: list; ARGV[2] on: ids.
-- Returns nothing.
-- Of these ids, those whose record is gone are forgotten; those that an earlier version has listed
-- or changed come into the index as they are. What is known to have expired is forgotten too.
local list = ARGV[1]
local FIRST = 2
for i = FIRST, #ARGV do
  local id = ARGV[i]
  local is_sound, held = pcall(load, record_key(id))
  if not is_sound then
    if not is_damage(held) then error(held) end
  elseif not held.phase then
    forget_task(list, id)
  else
    local known = string.match(redis.call('HGET', index_key(list), id) or '', '^|(%a+)|')
    if known ~= held.phase then
      note_phase(record_key(id), list, id, known, held.phase, held.fields)
    end
  end
end
forget_expired(list, PHASES, 200)
