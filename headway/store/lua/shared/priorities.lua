-- Priorities: what waits is served by step, the smallest first, and within a step by time.
--
-- The record's field `priority` is the step of its message in its queue, from -1 to 9, '0' if it is
-- missing; see headway/celery/messages/priorities.py.

local place, count_since, note_priority
do  -- see points.lua

local FIRST_STEP = -1
local LAST_STEP = 9
local STEP = 500000000 * 1000000  -- us, some 15 years: longer than anything waits

-- The score of what begins to wait now, in a set whose smallest is served first.
place = function(priority)
  return integer(NOW + (tonumber(priority) or 0) * STEP)
end

-- How many of such a set began to wait after a time.
count_since = function(set, time)
  local count = 0
  for step = FIRST_STEP, LAST_STEP do
    local from = '(' .. integer(time + step * STEP)
    count = count + redis.call('ZCOUNT', set, from, integer(NOW + STEP / 2 + step * STEP))
  end
  return count
end

-- Note a message's step in the changes of its record.
note_priority = function(held, fields, priority)
  if (held.fields.priority or '0') ~= priority then fields.priority = priority end
end

end
