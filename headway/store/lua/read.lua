-- Many tasks at once. KEYS: records. ARGV: for each the tag of what the reader has ('' for
-- nothing).
-- Returns for each {owner, tag, snapshot}, without a snapshot where the reader has it, or false.
local found = {}
for i, record in ipairs(KEYS) do
  local held = load(record, SHORT)
  if held.phase then
    local tag, json = render(held.fields)
    found[i] = {held.fields.owner or '', tag, ARGV[i] ~= tag and json or nil}
  else
    found[i] = false
  end
end
return found
