-- Note a browser's subscription, and take it from another owner who had the browser before.
-- ARGV[1]: owner; ARGV[2]: digest of its endpoint; ARGV[3]: the subscription, a JSON object that is
-- not empty; ARGV[4]: ms for which it is kept; ARGV[5]: how many an owner has at most: the oldest go.
-- Returns nothing.
local owner = ARGV[1]
local digest = ARGV[2]
local subscription = ARGV[3]
local ttl = ARGV[4]
local most = tonumber(ARGV[5])
local own = devices.of(owner)
local former = redis.call('GET', devices.key(digest))
if former and former ~= owner then devices.forget(former, digest) end
local noted = '{"at":' .. integer(NOW) .. ',' .. string.sub(subscription, 2)
redis.call('HSET', own, digest, noted)
redis.call('PEXPIRE', own, ttl)
redis.call('SET', devices.key(digest), owner, 'PX', ttl)
while redis.call('HLEN', own) > most do
  local oldest, since
  local entries = redis.call('HGETALL', own)
  for i = 1, #entries, 2 do
    local at = number(string.match(entries[i + 1], '^{"at":(%d+),'))
    if not since or at < since then oldest, since = entries[i], at end
  end
  devices.forget(owner, oldest)
end
