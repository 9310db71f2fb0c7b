-- Record that a worker is alive and what it holds.
-- ARGV[1]: the worker's id; ARGV[2]: slots; ARGV[3]: name; ARGV[4]: queues, a JSON list ('' not
-- known); ARGV[5]: us for which it counts as present (0: it ends); ARGV[6]: lease in us; ARGV[7]:
-- how many tasks it runs; ARGV[8] on: id and token of each of these, in turn, then the ids of those
-- that it has received and not begun.
-- Returns the ids of other workers of the same name.
note_use()
local worker = ARGV[1]
local slots = ARGV[2]
local name = ARGV[3]
local queues = ARGV[4]
local present = tonumber(ARGV[5])
local lease = tonumber(ARGV[6])
local runs = tonumber(ARGV[7])
local FIRST = 8
local FIRST_RECEIVED = FIRST + 2 * runs
local member = worker .. ' ' .. slots
local details = WORKER .. worker
local former = redis.call('HGET', details, 'member')
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', NOW)
if former and former ~= member then redis.call('ZREM', WORKERS, former) end
redis.call('ZADD', WORKERS, NOW + present, member)
redis.call('HSET', details, 'member', member, 'name', name, 'queues', queues)
redis.call('PEXPIRE', details, math.ceil(lease / 1000))
for i = FIRST, FIRST_RECEIVED - 1, 2 do
  local id = ARGV[i]
  local token = ARGV[i + 1]
  -- Renewed by its holder alone, and never made again: a run that was given up may have ended
  -- meanwhile.
  if redis.pcall('HGET', record_key(id), 'fence') == token then
    redis.call('ZADD', LEASES, 'XX', NOW + lease, id)
  end
end
redis.call('ZREMRANGEBYSCORE', RESERVED, '-inf', NOW)
for i = FIRST_RECEIVED, #ARGV do redis.call('ZADD', RESERVED, NOW + lease, ARGV[i]) end

local namesakes = {}
for _, other in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, '(' .. integer(NOW), '+inf')) do
  local id = string.match(other, '^(.*) %d+$')
  if id ~= worker and redis.call('HGET', WORKER .. id, 'name') == name then
    namesakes[#namesakes + 1] = id
  end
end
return namesakes
