-- Forget an owner's browsers.
-- ARGV[1]: owner; ARGV[2]: digest of one's endpoint ('' all of them).
-- Returns nothing.
local owner = ARGV[1]
local digest = ARGV[2]
local digests = digest == '' and redis.call('HKEYS', devices.of(owner)) or {digest}
for _, each in ipairs(digests) do devices.forget(owner, each) end
