-- Runs where a task may be created, and is refused where not: it has the same flags, and writes nothing.
-- ARGV: commands, each its words with spaces between them. Returns those that this user may not give.
local denied = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and allowed) then denied[#denied + 1] = command end
end
return denied
