-- Look at the whole system.
-- ARGV[1]: ttl in ms.
-- Returns {now (JSON), workers, slots, queued, 1 while paused, queue, queued in it, workers that
-- take it, ...} of the queues that a worker takes or in which a task waits.
-- What has ended or expired meanwhile is not counted; maintenance removes it.
local ttl = tonumber(ARGV[1])
local oldest = NOW - (ttl + UNENDED) * 1000
local workers = redis.call('ZRANGEBYSCORE', WORKERS, '(' .. integer(NOW), '+inf')
local slots = 0
local queued = 0
local unknown = 0
local known = 0
local taken = {}
for _, worker in ipairs(workers) do
  local id, count = string.match(worker, '^(.*) (%d%d?%d?%d?%d?)$')
  local queues = id and redis.pcall('HGET', WORKER .. id, 'queues')
  local is_list, list = pcall(cjson.decode, queues)
  if queues == '' or (id and queues == false) then
    unknown = unknown + 1  -- an earlier version's: counts for every queue
  elseif is_list and type(list) == 'table' then
    for _, queue in ipairs(list) do
      if type(queue) == 'string' then taken[queue] = (taken[queue] or 0) + 1 end
    end
  else
    id = nil  -- no worker of ours wrote this
  end
  if id then
    known = known + 1
    slots = slots + tonumber(count)
  end
end

local names = {}
local seen = {}
local function add(name)
  if not seen[name] then names[#names + 1] = name end
  seen[name] = true
end
for _, name in ipairs(redis.call('SMEMBERS', QUEUES)) do add(name) end
for name in pairs(taken) do add(name) end

local found = {format_time(NOW), known, slots, 0, redis.call('HEXISTS', PAUSED, 'since')}
for _, name in ipairs(names) do
  local is_set, waiting = pcall(count_since, WAITING .. name, oldest)
  if not is_set then waiting = 0 end  -- the name of something else
  local takers = (taken[name] or 0) + unknown
  queued = queued + waiting
  if waiting > 0 or taken[name] then
    found[#found + 1] = name
    found[#found + 1] = waiting
    found[#found + 1] = takers
  end
end
found[4] = queued
return found
