-- Redis's clock, and how times are written. Each function of the library begins with `begin`.

local HOUR = 3600 * 1000000
-- ms for which a task that has not ended is kept beyond its time
local UNENDED = 90 * 24 * 3600 * 1000
local NOW  -- microseconds, as every time and version in here; set as each function begins

-- Take the prefix off a call's arguments: it comes behind those that each function names.
local function begin(args)
  set_prefix(table.remove(args))
  local clock = server().call('TIME')
  NOW = clock[1] * 1000000 + clock[2]
end

-- Note that this library, whose digest functions.py writes before all this, is in use.
local function note_use()
  redis.call('ZADD', LIBRARIES, NOW, LIBRARY)
end

local function integer(number)
  return string.format('%.0f', number)
end

local format_time
do  -- see points.lua

-- The day of a time in seconds. After Howard Hinnant, "chrono-compatible low-level date
-- algorithms".
local function date(seconds)
  local z = math.floor(seconds / 86400) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local leap_days = math.floor(doe / 1460) - math.floor(doe / 36524) + math.floor(doe / 146096)
  local yoe = math.floor((doe - leap_days) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, day)
end

local last_second = nil
local last_text = nil

-- RFC 3339 in UTC with milliseconds, as a JSON fragment.
format_time = function(micros)
  local ms = math.floor(micros / 1000)
  local seconds = math.floor(ms / 1000)
  if seconds ~= last_second then
    local rest = seconds % 86400
    last_second = seconds
    last_text = string.format('"%sT%02d:%02d:%02d.', date(seconds), math.floor(rest / 3600),
      math.floor(rest / 60) % 60, rest % 60)
  end
  return last_text .. string.format('%03dZ"', ms % 1000)
end

end

-- A time as it is asked for: '' now, '+<us>' from now, or '<us>' on this clock. Microseconds.
local function resolve_time(when)
  if when == '' then return NOW end
  if string.sub(when, 1, 1) == '+' then return NOW + tonumber(string.sub(when, 2)) end
  return tonumber(when)
end
