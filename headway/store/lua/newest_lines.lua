-- The newest line of many tasks' logs. KEYS: logs. Returns for each the line, '' where there is
-- none.
local lines = {}
for i, log in ipairs(KEYS) do lines[i] = redis.call('LINDEX', log, -1) or '' end
return lines
