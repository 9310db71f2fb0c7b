-- One sweep of one worker, who holds the leader lock while it sweeps. ARGV: worker, limit, ttl
-- ms, lease us, which data this worker remembers, how many sweeps it had seen ('', 0: none), and a
-- name for data that has none.
-- Returns {{id, message, ...} to be sent, {id, token, message, ...} to be failed, {id, ...} whose
-- runs are to be ended by who holds them, {id, message, ...} whose dependents are to be told of
-- their end, {id, why, ...} that cannot be handled}, {which data, sweeps, 1 while paused, 1 where
-- the messages of one of these lists are so large that there is more to do}.
-- All but the third only to the leader, and the first two again in 5 s, the fourth in 30 s,
-- until it is done: a worker may die here.
note_use()
local limit, ttl = tonumber(ARGV[2]), ARGV[3]
local MAX_MESSAGES = 4 * 1024 * 1024  -- bytes of messages after which a list has no further one
local due, lost, overdue, ended = {}, {}, {}, {}
local remembered, sweeps_seen, new_epoch = ARGV[5], tonumber(ARGV[6]), ARGV[7]
if remembered ~= '' then notice_restore(remembered, sweeps_seen) end
redis.call('SET', EPOCH, new_epoch, 'NX')
local paused = redis.call('EXISTS', PAUSED)
local state = {redis.call('GET', EPOCH), tonumber(redis.call('GET', GENERATION) or 0), paused, 0}
local broken = {}

-- `handle` returns the message that goes into the reply, if any.
local function sweep(set, handle)
  local bytes = 0
  local function handle_or_leave(id)
    if bytes >= MAX_MESSAGES then
      state[4] = 1
    else
      bytes = bytes + #(handle(id) or '')
    end
  end
  local ids = redis.call('ZRANGEBYSCORE', set, '-inf', NOW, 'LIMIT', 0, limit)
  broken = joined(broken, for_each(set, ids, handle_or_leave))
end

sweep(KILL_DEADLINES, function(id)
  if load(record_key(id)).phase == 'cancelling' then
    overdue[#overdue + 1] = id
  else
    redis.call('ZREM', KILL_DEADLINES, id)
  end
end)
local leader = redis.call('GET', LEADER)
if leader and leader ~= ARGV[1] then return {due, lost, overdue, ended, broken, state} end
redis.call('SET', LEADER, ARGV[1], 'PX', 1500)

-- While nobody swept (Redis hung or was away, all workers were) nobody could renew a lease either.
local last = tonumber(redis.call('GET', LAST_SWEEP) or 0)
redis.call('SET', LAST_SWEEP, integer(NOW))
if NOW - last > 400000 then state[2] = redis.call('INCR', GENERATION) end
if NOW - last > 5000000 then
  redis.call('SET', GRACE, 1, 'PX', math.floor(tonumber(ARGV[4]) / 1000))
end

-- What was restored waits until an operator has looked at it.
if paused == 1 then return {due, lost, overdue, ended, broken, state} end

if redis.call('EXISTS', GRACE) == 0 then
  -- A lease that has ended: its run is lost, and its task is requeued, or failed after its last
  -- attempt.
  sweep(LEASES, function(id)
    local record = record_key(id)
    local held = load(record)
    if not is_running(held) then
      redis.call('ZREM', LEASES, id)
    elseif requeue_lost(record, id, held, held.fence, ttl) == 'exhausted' then
      local message = redis.call('HGET', record, 'message') or ''
      lost[#lost + 1], lost[#lost + 2], lost[#lost + 3] = id, held.fence, message
      return message
    end
  end)
end

sweep(OUTBOX, function(id)
  local record = record_key(id)
  local held = load(record)
  if is_running(held) and has_holder(id) then
    -- A successor that waits for its predecessor to store that it retries.
    local later = NOW + 200000
    redis.call('ZADD', OUTBOX, later, id)
    redis.call('HSET', record, 'postponed', integer(later))
  else
    local message = take_due(record, id, held, ttl)
    if message then due[#due + 1], due[#due + 2] = id, message end
    return message
  end
end)

sweep(UNNOTIFIED, function(id)
  local record = record_key(id)
  local message = redis.call('HGET', record, 'message')
  if message and FINAL[load(record).phase] then
    redis.call('ZADD', UNNOTIFIED, NOW + NOTIFY_US, id)
    ended[#ended + 1], ended[#ended + 2] = id, message
    return message
  else
    redis.call('ZREM', UNNOTIFIED, id)
  end
end)
return {due, lost, overdue, ended, broken, state}
