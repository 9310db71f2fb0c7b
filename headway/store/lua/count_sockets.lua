-- Note how many websockets some clients have at a web process, unless all processes together would
-- have too many of them.
-- ARGV[1]: the process's id; ARGV[2]: ms for which its counts hold; ARGV[3] on: name of a client, how
-- many websockets it has at this process, and how many it may have at all of them ('' any), in turn.
-- Returns 1 if noted, 0 if not; and 1 if earlier counts of the process were there, 0 if not.
--
-- A process that ends without a word leaves its counts until they expire, and then its id in the set
-- until the next call.
local process = ARGV[1]
local ttl = ARGV[2]
local FIRST = 3
local own = sockets_key(process)
local known = redis.call('EXISTS', own)
local others = {}
for _, other in ipairs(redis.call('SMEMBERS', SOCKETS)) do
  if other ~= process then others[#others + 1] = other end
end
for i = FIRST, #ARGV, 3 do
  local most = tonumber(ARGV[i + 2])
  local total = tonumber(ARGV[i + 1])
  for _, other in ipairs(most and others or {}) do
    total = total + number(redis.call('HGET', sockets_key(other), ARGV[i]))
  end
  if most and total > most then return {0, known} end
end
for _, other in ipairs(others) do
  if redis.call('EXISTS', sockets_key(other)) == 0 then redis.call('SREM', SOCKETS, other) end
end
for i = FIRST, #ARGV, 3 do
  if ARGV[i + 1] == '0' then
    redis.call('HDEL', own, ARGV[i])
  else
    redis.call('HSET', own, ARGV[i], ARGV[i + 1])
  end
end
local is_left = redis.call('PEXPIRE', own, ttl) == 1
redis.call(is_left and 'SADD' or 'SREM', SOCKETS, process)
return {1, known}
