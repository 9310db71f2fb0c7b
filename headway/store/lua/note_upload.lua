-- Note an upload, whole or begun, or make room for one that is about to come.
-- KEYS[1]: the upload; KEYS[2] on: the accounts that it counts in.
-- ARGV[1]: id; ARGV[2]: owner ('' nobody's); ARGV[3]: size in bytes; ARGV[4]: what is noted of it, a
-- JSON object that is not empty ('': it is about to come); ARGV[5]: 'about', or 'begun' for one that
-- comes in pieces; ARGV[6]: ms for which it is kept, or for which there is room for it; ARGV[7] on:
-- how many bytes may be kept of each account.
-- Returns what is noted of it, 'room' for one that is about to come; '' where an account has no
-- room, and nothing is noted.
local upload = KEYS[1]
local FIRST_ACCOUNT = 2
local id = ARGV[1]
local owner = ARGV[2]
local size = ARGV[3]
local about = ARGV[4]
local field = ARGV[5]
local ttl = tonumber(ARGV[6])
local FIRST_MOST = 7

local function bytes_of(account)
  local total = 0
  local entries = redis.call('HGETALL', account)
  for i = 1, #entries, 2 do
    local other = entries[i]
    local bytes, till = string.match(entries[i + 1], '^(%d+) (%d+)$')
    local counts = bytes
      and (tonumber(till) > NOW or redis.call('EXISTS', upload_key(other)) == 1)
    if not counts then
      redis.call('HDEL', account, other)
    elseif other ~= id then
      total = total + tonumber(bytes)
    end
  end
  return total
end

for i = FIRST_ACCOUNT, #KEYS do
  local most = tonumber(ARGV[FIRST_MOST + i - FIRST_ACCOUNT])
  if bytes_of(KEYS[i]) + tonumber(size) > most then return '' end
end
local till = about == '' and integer(NOW + ttl * 1000) or '0'
for i = FIRST_ACCOUNT, #KEYS do
  redis.call('HSET', KEYS[i], id, size .. ' ' .. till)
  redis.call('PEXPIRE', KEYS[i], UNENDED)
end
if about == '' then return 'room' end

local noted = '{"at":' .. format_time(NOW) .. ',' .. string.sub(about, 2)
redis.call('HSET', upload, 'owner', owner, field, noted)
redis.call('PEXPIRE', upload, ttl)
return noted
