-- Many tasks at once. KEYS: records. ARGV: for each the tag of what the reader has ('' for
-- nothing), then for each the claim of the reader's token ('' for none; see tokens.lua).
-- Returns for each {owner, tag, snapshot or '' where the reader has it, 1 if the token is revoked},
-- or false.
local found = {}
for i, record in ipairs(KEYS) do
  local held, tag, json = show(record)
  if held then
    local claim = ARGV[#KEYS + i]
    local shown = ARGV[i] ~= tag and json or ''
    found[i] = {held.fields.owner or '', tag, shown, claim and is_revoked(claim) and 1 or nil}
  else
    found[i] = false
  end
end
return found
