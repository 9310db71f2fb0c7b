-- Tokens are stateless: Redis keeps only those that were revoked.
--
-- A claim is what a viewer's token says of itself: '<made, us> <token id> <subject>'. The subject
-- is the task or the owner that it opens: 'task:<id>' or 'owner:<owner>'.

local function revoked_key(token_id, subject)
  return PREFIX .. 'headway:revoked:' .. token_id .. ':' .. subject
end

-- Whether a token is revoked, by itself or with all that were made by then; '' claims nothing.
local function is_revoked(claim)
  local made, token_id, subject = string.match(claim or '', '^(%d+) (%S*) (.*)$')
  if not made then return false end
  local found = redis.call('MGET', revoked_key(token_id, subject), revoked_key('*', subject))
  return found[1] or found[2] and tonumber(made) <= (tonumber(found[2]) or math.huge)
end
