-- Which tokens are revoked. KEYS: none. ARGV: claims (see tokens.lua).
-- Returns 1 or 0 for each.
local found = {}
for i, claim in ipairs(ARGV) do found[i] = is_revoked(claim) and 1 or 0 end
return found
