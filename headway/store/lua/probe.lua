-- Run where a task may be created, and be refused where not: the flags are the same. It writes only
-- that this library is in use.
-- ARGV[1] on: commands, their words with spaces between them.
-- Returns those that this user may not run.
local commands = ARGV
pcall(note_use)  -- which this user may not be allowed
local denied = {}
for _, command in ipairs(commands) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and allowed) then denied[#denied + 1] = command end
end
return denied
