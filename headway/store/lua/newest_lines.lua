-- Read the newest line of many tasks' logs.
-- KEYS[1] on: the logs.
-- Returns for each log its line as JSON, '' where it has none.
local logs = KEYS
local lines = {}
for i, log in ipairs(logs) do lines[i] = redis.call('LINDEX', log, -1) or '' end
return lines
