-- How a task got on: a list of its points in time, as JSON [ms since 1970, current, total].
--
-- Points are noted with a report, no more than one in a gap. When the list is full every second
-- one goes, and the gap doubles: so most reports only compare a number, and the whole of a run is
-- kept, however long it takes.

local note_point, is_point, drop_few_points
do  -- a scope of its own: Redis allows 200 local variables in all

local MAX_POINTS = 240
local MIN_POINTS = 3  -- that a page draws a plot of
local FIRST_GAP = 100000  -- us

-- Drop every second point, but never the last.
local function thin_points(key, count)
  local points = redis.call('LRANGE', key, 0, -1)
  local left = {}
  for i = count % 2 == 0 and 2 or 1, count, 2 do left[#left + 1] = points[i] end
  redis.call('DEL', key)
  redis.call('RPUSH', key, unpack(left))
end

-- Where a task ends. A run that has said nothing begins its curve at 0, unless it went on where the
-- one before it was: then that is where the task has come to.
local function where_it_ends(key, current, total)
  local last = current == '0' and redis.call('LINDEX', key, -1)
  if not last then return current, total end
  local so_far, whole = last:match('^%[%d+,([^,]+),([^,]+)%]$')
  return so_far or current, whole or total
end

-- Note where a task is now, and in which phase it comes to be (nil: it stays in its own). `changes` are
-- what is being stored over `fields`; ttl in ms.
note_point = function(record, id, fields, changes, ttl, phase)
  local key = points_key(id)
  local gap = number(redis.call('HGET', record, 'point_gap') or FIRST_GAP)
  local current = changes.current or fields.current or '0'
  local total = changes.total or fields.total or 'null'
  if FINAL[phase] then current, total = where_it_ends(key, current, total) end
  local at = integer(math.floor(NOW / 1000))
  local count = redis.call('RPUSH', key, '[' .. at .. ',' .. current .. ',' .. total .. ']')
  if count > MAX_POINTS then
    thin_points(key, count)
    gap = gap * 2
    changes.point_gap = integer(gap)
  end
  if count == 1 or count > MAX_POINTS then redis.call('PEXPIRE', key, ttl) end
  changes.point_due = integer(NOW + gap)
end

-- Drop the points of a task that has ended, where there are too few for a plot.
drop_few_points = function(id)
  local key = points_key(id)
  if redis.call('LLEN', key) < MIN_POINTS then redis.call('DEL', key) end
end

-- Whether a change is to be noted: a report when it is due, the begin and the end of a run always,
-- except for one that goes on: its first report says where it begins.
is_point = function(held, changes, phase)
  if phase == held.phase or not phase then
    return changes.current and NOW >= number(held.fields.point_due)
  end
  local goes_on = changes.attempt and changes.status ~= '""'  -- as claim.lua says it
  return (phase == 'running' and not goes_on) or (FINAL[phase] and held.attempt > 0)
end

end
