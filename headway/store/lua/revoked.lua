-- Check which tokens are revoked.
-- ARGV[1] on: claims, see tokens.lua.
-- Returns 1 or 0 for each claim.
local claims = ARGV
local found = {}
for i, claim in ipairs(claims) do found[i] = is_revoked(claim) and 1 or 0 end
return found
