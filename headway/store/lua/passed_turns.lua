-- Read which tasks of its lines are to be sent now that a task has ended.
-- KEYS[1]: the record of the one that has ended.
-- Returns their ids, {} where the task has no line.
local record = KEYS[1]
local line, owner = unpack(redis.call('HMGET', record, 'line', 'owner'))
local due, seen = {}, {}
for _, each in ipairs(lines_of(line, owner or '')) do
  for _, id in ipairs(redis.call('ZRANGE', each.turns, 0, -1)) do
    if not seen[id] and tonumber(redis.call('ZSCORE', OUTBOX, id) or 'inf') <= NOW then
      due[#due + 1] = id
    end
    seen[id] = true
  end
end
return due
