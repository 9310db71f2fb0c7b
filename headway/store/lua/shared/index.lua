-- The index of a list of tasks: which are in a phase, and the words by which each is found.
--
-- For each phase a set of ids by the time (ms) until which their records are kept, so that a count
-- leaves out what has expired. And a hash: id -> '|<phase>|<words>', in lower case.

local PHASES = {'scheduled', 'queued', 'running', 'retrying', 'waiting', 'cancelling', 'succeeded',
  'failed', 'cancelled'}
-- Not a phase: parts that have parts of their own.
local NESTED = 'nested'

local function words_of(fields)
  local MAX_WORDS = 1000  -- bytes
  local all = {text(fields.title) or '', fields.words or '', text(fields.status) or ''}
  if fields.error and fields.error ~= 'null' then all[4] = fields.error end
  return string.lower(string.sub(table.concat(all, ' '), 1, MAX_WORDS))
end

-- Note until when a task in this phase is kept, which its record says.
local function note_expiry(record, list, id, phase)
  local ttl = redis.call('PTTL', record)
  local set = phase_key(list, phase)
  redis.call('ZADD', set, integer(NOW / 1000 + ttl), id)
  keep_for(set, ttl)
  return ttl
end

-- Note a task's new phase, and its words with it.
local function note_phase(record, list, id, before, phase, fields)
  if before and before ~= phase then redis.call('ZREM', phase_key(list, before), id) end
  local ttl = note_expiry(record, list, id, phase)
  redis.call('HSET', index_key(list), id, '|' .. phase .. '|' .. words_of(fields))
  keep_for(index_key(list), ttl)
end

-- Forget a task whose record is gone.
local function forget_task(list, id)
  redis.call('ZREM', list_key(list), id)
  redis.call('HDEL', index_key(list), id)
  for _, phase in ipairs(PHASES) do redis.call('ZREM', phase_key(list, phase), id) end
  redis.call('ZREM', phase_key(list, NESTED), id)
end

-- Forget at most `limit` of a list's tasks that have expired in each of these phases.
local function forget_expired(list, phases, limit)
  for _, phase in ipairs(phases) do
    local set = phase_key(list, phase)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', integer(NOW / 1000), 'LIMIT', 0,
        limit)) do
      if redis.call('EXISTS', record_key(id)) == 0 then
        forget_task(list, id)
      else
        note_expiry(record_key(id), list, id, phase)
      end
    end
  end
end
