-- Deliveries of a task's message: what the broker holds of them, and which one may write.

-- Remove a delivery's message from what the broker holds. `delivery` says where a broker in this
-- Redis holds it, '' for none: '<hash> <index> <tag>'.
local function settle(delivery)
  local unacked, index, tag = string.match(delivery or '', '^(%S+) (%S+) (%S+)$')
  if not tag then return end
  redis.call('HDEL', unacked, tag)
  redis.call('ZREM', index, tag)
end

-- Have a message that the broker may redeliver say that its task had a record.
local function mark_recorded(delivery, id)
  local unacked, _, tag = string.match(delivery, '^(%S+) (%S+) (%S+)$')
  local entry = tag and redis.call('HGET', unacked, tag)
  local _, headers = string.find(entry or '', '"headers": {', 1, true)
  if not headers then return end
  local rest = string.sub(entry, headers + 1)
  local comma = string.sub(rest, 1, 1) == '}' and '' or ', '  -- protocol 1 has no headers
  local header = '"headway_recorded": ' .. cjson.encode(id) .. comma
  redis.call('HSET', unacked, tag, string.sub(entry, 1, headers) .. header .. rest)
end

-- Of the sends of one id: whether this one is new. One without an id cannot be told from others.
local function is_new_send(held, send)
  local sends = held.fields.sends or ''
  return send ~= '' and sends ~= '' and not string.find(sends, send, 1, true)
end

local function is_former_send(held, send)
  local sends = held.fields.sends or ''
  return send ~= '' and string.find(sends, send, 1, true) and string.sub(sends, -#send) ~= send
end

local function with_send(held, send)
  local MAX_SENDS = 100
  local sends = held.fields.sends or ''
  if send == '' or string.find(sends, send, 1, true) then return sends end
  return string.sub(sends .. ' ' .. send, -MAX_SENDS * (#send + 1))
end

-- Whether a person has had this task forgotten: nothing but the ids of its sends is kept.
local function is_forgotten(held)
  return not held.fields.phase and held.fields.sends ~= nil
end

-- Why the delivery (token, generation) may not write to this record; nil if it may. `generation` grows
-- with each retry and replacement under one id. An empty fence means that no run has the task; the
-- revoked tokens keep out the runs that had it before. While a person is being asked, none may write.
local function refusal_of(held, token, generation)
  if FINAL[held.phase] or is_forgotten(held) then return 'final' end
  if token == '' or not held.phase then return nil end
  if held.phase == 'waiting' then return 'waiting' end
  if generation > held.generation then return nil end
  if generation < held.generation then return 'stale' end
  if held.fence ~= '' and held.fence ~= token then return 'superseded' end
  if string.find(held.revoked_tokens, token, 1, true) then return 'superseded' end
  return nil
end

-- How many times the task of a delivery of this generation was replaced, see fencing.py.
local function nesting_of(generation) return math.floor(generation / 1000000) end

local function is_running(held)
  return held.phase == 'running' or held.phase == 'cancelling'
end

local function has_holder(id)
  return redis.call('ZSCORE', LEASES, id)
end

-- Whether a task waits for its first worker with a message that is not kept here (see enqueue.lua).
local function is_only_sent(record, phase)
  local waits = phase == 'queued' or phase == 'scheduled'
  return waits and redis.call('HEXISTS', record, 'message') == 0
end
