-- Run where a task may be created, and refused where not: the flags are the same. Writes no more
-- than that this library is in use.
-- ARGV: commands, their words with spaces between them. Returns the ones that this user may not
-- give.
pcall(note_use)  -- which this user may not be allowed
local denied = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and allowed) then denied[#denied + 1] = command end
end
return denied
