-- A worker says that it is there and what it holds. ARGV: the worker's id, slots, name, queues (a
-- JSON list; '': not known), present us (0: it ends), lease us, how many run, then id, token for
-- each that runs, then the ids of those that it has received and not begun.
-- Returns the ids of other workers of the same name.
note_use()
local worker, slots, name, queues, present = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local lease, runs = tonumber(ARGV[6]), tonumber(ARGV[7])
local member, details = worker .. ' ' .. slots, WORKER .. worker
local former = redis.call('HGET', details, 'member')
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', NOW)
if former and former ~= member then redis.call('ZREM', WORKERS, former) end
redis.call('ZADD', WORKERS, NOW + present, member)
redis.call('HSET', details, 'member', member, 'name', name, 'queues', queues)
redis.call('PEXPIRE', details, math.ceil(lease / 1000))
local first = 8
for i = first, first - 1 + 2 * runs, 2 do
  -- Renewed by its holder alone, and never made again: a run that was given up may have ended
  -- meanwhile.
  if redis.pcall('HGET', record_key(ARGV[i]), 'fence') == ARGV[i + 1] then
    redis.call('ZADD', LEASES, 'XX', NOW + lease, ARGV[i])
  end
end
redis.call('ZREMRANGEBYSCORE', RESERVED, '-inf', NOW)
for i = first + 2 * runs, #ARGV do redis.call('ZADD', RESERVED, NOW + lease, ARGV[i]) end

local namesakes = {}
for _, other in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, '(' .. integer(NOW), '+inf')) do
  local id = string.match(other, '^(.*) %d+$')
  if id ~= worker and redis.call('HGET', WORKER .. id, 'name') == name then
    namesakes[#namesakes + 1] = id
  end
end
return namesakes
