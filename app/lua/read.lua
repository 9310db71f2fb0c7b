-- Many tasks at once. KEYS: records. Returns for each {owner, version, snapshot}, or false.
local found = {}
for i, record in ipairs(KEYS) do
  local owner, version, json = snapshot(record)
  found[i] = owner and {owner, version, json} or false
end
return found
