-- Sweep once for a worker, which holds the leader lock while it sweeps.
-- ARGV[1]: worker; ARGV[2]: limit of each list; ARGV[3]: ttl in ms; ARGV[4]: lease in us; ARGV[5]:
-- which data this worker remembers ('' none), ARGV[6]: how many sweeps it had seen; ARGV[7]: a name
-- for data that has none.
-- Returns {due, exhausted, overdue, ended, broken, state, set_aside}: {id, message, ...} to be sent;
-- {id, token, message, ...} to be failed; {id, ...} whose runs their holders have to end; {id,
-- message, ...} whose dependents are to be notified of their end; {id, why, ...} that cannot be
-- handled; {which data, sweeps, 1 while paused, 1 where the messages of one of these lists are so
-- large that there is more to do}; {key, ...} that were set aside since the last sweep, see
-- damaged.lua.
-- All but the third only to the leader, and the first two again in 5 s, the fourth in 30 s,
-- until it is done: a worker may die here.
note_use()
local worker = ARGV[1]
local limit = tonumber(ARGV[2])
local ttl = ARGV[3]
local lease = tonumber(ARGV[4])
local remembered = ARGV[5]
local sweeps_seen = tonumber(ARGV[6])
local new_epoch = ARGV[7]
local MAX_MESSAGES = 4 * 1024 * 1024  -- bytes of messages after which a list has no further one
local due = {}
local exhausted = {}
local overdue = {}
local ended = {}
if remembered ~= '' then notice_restore(remembered, sweeps_seen) end
if not redis.call('GET', EPOCH) then redis.call('SET', EPOCH, new_epoch) end
local paused = redis.call('HEXISTS', PAUSED, 'since')
local state = {redis.call('GET', EPOCH), number(redis.call('GET', SWEEPS)), paused, 0}
local broken = {}
local set_aside = {}

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
local is_held = redis.call('PTTL', LEADER) > 0  -- our own always expires
if is_held and leader ~= worker then
  return {due, exhausted, overdue, ended, broken, state, set_aside}
end
redis.call('SET', LEADER, worker, 'PX', 1500)
set_aside = redis.call('SMEMBERS', SET_ASIDE)
redis.call('DEL', SET_ASIDE)

-- While nobody swept (Redis hung or was away, all workers were) nobody could renew a lease either.
local last = number(redis.call('GET', LAST_SWEEP))
redis.call('SET', LAST_SWEEP, integer(NOW))
if NOW - last > 400000 then
  state[2] = state[2] + 1
  redis.call('SET', SWEEPS, integer(state[2]))
end
if NOW - last > 5000000 then
  redis.call('SET', GRACE, 1, 'PX', math.floor(lease / 1000))
end

-- What was restored waits until an operator has looked at it.
if paused == 1 then return {due, exhausted, overdue, ended, broken, state, set_aside} end

if redis.call('PTTL', GRACE) <= 0 then
  -- A lease that has ended: its run is lost, and its task is requeued, or failed after its last
  -- attempt.
  sweep(LEASES, function(id)
    local record = record_key(id)
    local held = load(record)
    if not is_running(held) then
      redis.call('ZREM', LEASES, id)
    elseif requeue_lost(record, id, held, held.fence, ttl) == 'exhausted' then
      local message = redis.call('HGET', record, 'message') or ''
      exhausted[#exhausted + 1] = id
      exhausted[#exhausted + 1] = held.fence
      exhausted[#exhausted + 1] = message
      return message
    end
  end)
end

sweep(QUESTIONS, function(id)
  local record = record_key(id)
  local held = load(record)
  if held.phase == 'waiting' and redis.call('HEXISTS', record, 'remind') == 1 then
    remind(record, id, held, ttl)
  elseif held.phase == 'waiting' then
    answer_question(record, id, held, nil, 'null', ttl)
  else
    redis.call('ZREM', QUESTIONS, id)
  end
end)

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
    if message then
      due[#due + 1] = id
      due[#due + 1] = message
    end
    return message
  end
end)

sweep(UNNOTIFIED, function(id)
  local record = record_key(id)
  local message = redis.call('HGET', record, 'message')
  if message and FINAL[load(record).phase] then
    redis.call('ZADD', UNNOTIFIED, NOW + NOTIFY_US, id)
    ended[#ended + 1] = id
    ended[#ended + 1] = message
    return message
  else
    redis.call('ZREM', UNNOTIFIED, id)
  end
end)
return {due, exhausted, overdue, ended, broken, state, set_aside}
