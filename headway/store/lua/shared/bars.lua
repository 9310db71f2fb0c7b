-- Decides which of the values in a report a record takes.

-- The fields that a report reads, and those that it reads with a save.
local READ = {report = {'phase', 'fence', 'generation', 'static', 'owner', 'streams', 'version',
  'current', 'total', 'status', 'step', 'max_fraction', 'bar', 'point_due', 'parts'}}
READ.save = joined(READ.report, {'stop_requested', 'saved', 'saved_percent'})

local function said(argument) return argument ~= '' and argument or nil end

-- Have a change set a field, unless nothing is said of it, or nothing new. Returns what it holds.
local function put(changes, field, value, before)
  if value and value ~= before then
    changes[#changes + 1] = field
    changes[#changes + 1] = value
  end
  return value or before
end

-- Of the numbers that a report says (nil: nothing), and those that the record has: which are shown,
-- and the largest fraction of this bar if there is a new one. Within a bar of an attempt it never
-- goes back, and 15 of 10 is not shown.
local function fit_numbers(current, total, bar, was_current, was_total, was_bar, was_max_fraction)
  local max_fraction = nil
  if bar and bar ~= was_bar then
    max_fraction = '0'
    was_max_fraction = 0
    current = current or '0'
    total = total or 'null'
  elseif not (current or total) then
    return nil, nil, nil
  elseif current and was_current == '0' and was_total == '1' and tonumber(current) > 1 then
    total = total or 'null'  -- of how much, nobody has said yet
  end
  local now = tonumber(current or was_current)  -- nil: unknown, as the next
  local all = tonumber(total or was_total)
  if not now then return current, total, max_fraction end
  local part = all and all > 0 and now / all
  local is_unfit = part and (part < number(was_max_fraction) or part > 1 + 1e-9)
  if now < 0 or (all and all < 0) or is_unfit then
    return nil, nil, max_fraction
  end
  return current, total, part and string.format('%.17g', part) or max_fraction
end
