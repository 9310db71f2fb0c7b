-- One round of one keeper, who keeps the office while he does his rounds. ARGV: keeper, limit, ttl ms, lease us.
-- Returns {{id, message, ...} to be sent, {id, token, message, ...} to be failed, {id, ...} whose runs are to be ended by
-- who holds them}; the first two only to who is in office, and again in 5 s until it is done: a keeper may die here.
local limit, ttl = tonumber(ARGV[2]), ARGV[3]
local doomed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DOOMED, '-inf', NOW, 'LIMIT', 0, limit)) do
  if hold('headway:task:' .. id).phase == 'cancelling' then
    doomed[#doomed + 1] = id
  else
    redis.call('ZREM', DOOMED, id)
  end
end
local office = redis.call('GET', 'headway:keeper')
if office and office ~= ARGV[1] then return {{}, {}, doomed} end
redis.call('SET', 'headway:keeper', ARGV[1], 'PX', 1500)

-- While nobody did the rounds (Redis hung or was away, all workers were) nobody could renew a lease either.
local last = tonumber(redis.call('GET', 'headway:round') or 0)
redis.call('SET', 'headway:round', integer(NOW))
if NOW - last > 5000000 then redis.call('SET', 'headway:patience', 1, 'PX', math.floor(tonumber(ARGV[4]) / 1000)) end

local lost = {}
if redis.call('EXISTS', 'headway:patience') == 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', NOW, 'LIMIT', 0, limit)) do
    local record = 'headway:task:' .. id
    local held = hold(record)
    if not begun(held) then
      redis.call('ZREM', LEASES, id)
    elseif lose(record, id, held, held.fence, ttl) == 'exhausted' then
      lost[#lost + 1], lost[#lost + 2], lost[#lost + 3] = id, held.fence, redis.call('HGET', record, 'message') or ''
    end
  end
end

local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', NOW, 'LIMIT', 0, limit)) do
  local record = 'headway:task:' .. id
  local held = hold(record)
  local message = redis.call('HGET', record, 'message')
  if begun(held) and has_holder(id) then
    -- A successor that waits for its predecessor to store that it retries.
    redis.call('ZADD', OUTBOX, NOW + 200000, id)
  elseif message and not FINAL[held.phase] then
    redis.call('ZADD', OUTBOX, NOW + 5000000, id)
    if held.phase ~= 'queued' then
      commit(record, id, held, queued('"Pending..."'), celery_meta(id, 'PENDING'), ttl)
    end
    due[#due + 1], due[#due + 2] = id, message
  else
    redis.call('ZREM', OUTBOX, id)
  end
end
return {due, lost, doomed}
