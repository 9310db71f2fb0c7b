-- Read the records of many tasks at once.
-- KEYS[1] on: the records. ARGV[1] on: for each the tag of what the reader has ('' for nothing),
-- then for each the claim of the reader's token ('' for none; see tokens.lua).
-- Returns for each {owner, tag, snapshot or '' where the reader has it, 1 if the token is revoked},
-- or false.
local records = KEYS
local found = {}
for i, record in ipairs(records) do
  local known = ARGV[i]
  local claim = ARGV[#records + i]
  local held, tag, json = show(record)
  if held then
    local shown = known ~= tag and json or ''
    found[i] = {held.fields.owner or '', tag, shown, claim and is_revoked(claim) and 1 or nil}
  else
    found[i] = false
  end
end
return found
