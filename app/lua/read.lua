-- Many tasks at once. KEYS: records. Returns for each {owner, tag, snapshot}, or false.
local found = {}
for i, record in ipairs(KEYS) do
  local owner, tag, json = snapshot(record)
  found[i] = owner and {owner, tag, json} or false
end
return found
