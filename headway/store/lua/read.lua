-- Read the records of many tasks at once.
-- KEYS[1] on: the records. ARGV[1] on: for each the tag of what the reader has ('' for nothing),
-- then for each the claim of the reader's token ('' for none; see tokens.lua), then for each the
-- reader ('' nobody, '*' an operator).
-- Returns for each {owner, tag, snapshot or '' where the reader has it, 1 if the token is revoked},
-- or false.
local records = KEYS

-- Whether a record is not the reader's. It is left unread then, as one that does not exist: to read
-- it would take longer, so that time would tell these apart.
local function is_withheld(record, claim, reader)
  if (reader or '*') == '*' or claim ~= '' then return false end
  return redis.pcall('HGET', record, 'owner') ~= reader
end

local found = {}
for i, record in ipairs(records) do
  local known = ARGV[i]
  local claim = ARGV[#records + i]
  local reader = ARGV[2 * #records + i]
  local held, tag, json
  if not is_withheld(record, claim, reader) then held, tag, json = show(record) end
  if held then
    local shown = known ~= tag and json or ''
    found[i] = {held.fields.owner or '', tag, shown, claim and is_revoked(claim) and 1 or nil}
  else
    found[i] = false
  end
end
return found
