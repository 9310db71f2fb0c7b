-- The head of the library: how a record lies in Redis, and how its snapshot is put together. Each other file here is the
-- body of one function of it, called with KEYS and ARGV, both with their prefix, and the prefix itself behind them.
--
-- A record is a hash. Its public fields hold JSON fragments, so that a snapshot is a concatenation: decoding and encoding
-- with cjson would turn [] into {} and a version into 1.7e+15.

-- The fan-out reads the id and the version from the first two. What comes after these lies also put together, in `still`:
-- reports come often, change none of it, and read it in one.
local MOVING = {'task_id', 'version', 'state', 'phase', 'current', 'total', 'status', 'step', 'updated_at'}
local STILL = {'result_size', 'name', 'title', 'error', 'attempt', 'max_attempts', 'created_at', 'scheduled_for',
  'started_at', 'finished_at'}
local STILL_HEAD = '"result_size":'  -- what an earlier version put together begins otherwise
local MAX_RESULT = 8192  -- bytes of a result that an earlier version kept, beyond which it is not shown
local PRIVATE = {'owner', 'queue', 'fence', 'spent', 'order', 'high', 'bar', 'cancel', 'write_id', 'kept', 'still'}

-- While it is loaded a library has no functions of Lua's own, such as ipairs.
local function joined(...)
  local all, lists = {}, {...}
  for i = 1, #lists do
    for j = 1, #lists[i] do all[#all + 1] = lists[i][j] end
  end
  return all
end

local SHORT = joined(MOVING, PRIVATE)
local FIELDS = joined(SHORT, STILL, {'result', 'failures', 'sends', 'delivery', 'dependents'})
local MOVES = {bar = true}
for i = 1, #MOVING do MOVES[MOVING[i]] = true end

local STATE = {scheduled = 'PENDING', queued = 'PENDING', retrying = 'PENDING', running = 'PROGRESS',
  cancelling = 'PROGRESS', succeeded = 'SUCCESS', failed = 'FAILURE', cancelled = 'REVOKED'}
local FINAL = {succeeded = true, failed = true, cancelled = true}

local PREFIX  -- before each key and channel: of the project that calls
local CHANNEL

-- Shared sets of ids, by time: until when a worker holds what it runs, and what it has received and not begun; when a
-- message is to be sent; since when a task waits in a queue; until when a cancelled run may end by itself.
local LEASES, RESERVED, OUTBOX, WAITING, DOOMED
local QUEUES
-- Tasks that have ended and whose chord, chain or error callbacks have yet to be told, by when
-- maintenance tells them.
local UNTOLD
local TELL_US = 30 * 1000000  -- how long a process that tells them has for it

-- Which data this is, how many sweeps it has seen, and while paused, since when and of what time.
local EPOCH, GENERATION, PAUSED

-- Who sweeps, when the last sweep was, and that leases do not end yet.
local LEADER, LAST_SWEEP, GRACE

-- Which workers are there, until when, as '<id> <slots>', and of each one what else is known.
local WORKERS, WORKER

-- When a process last called the library of a digest, by which a version of Headway is told.
local LIBRARIES

local function set_prefix(prefix)
  if prefix == PREFIX then return end
  PREFIX = prefix
  CHANNEL = prefix .. 'flask-socketio:'
  LEASES = prefix .. 'headway:leases'
  RESERVED = prefix .. 'headway:reserved'
  OUTBOX = prefix .. 'headway:outbox'
  WAITING = prefix .. 'headway:waiting:'
  DOOMED = prefix .. 'headway:doomed'
  QUEUES = prefix .. 'headway:queues'
  UNTOLD = prefix .. 'headway:untold'
  EPOCH = prefix .. 'headway:epoch'
  GENERATION = prefix .. 'headway:generation'
  PAUSED = prefix .. 'headway:paused'
  LEADER = prefix .. 'headway:keeper'
  LAST_SWEEP = prefix .. 'headway:round'
  GRACE = prefix .. 'headway:patience'
  WORKERS = prefix .. 'headway:workers'
  WORKER = prefix .. 'headway:worker:'
  LIBRARIES = prefix .. 'headway:libraries'
end

local function record_key(id) return PREFIX .. 'headway:task:' .. id end
local function log_key(id) return PREFIX .. 'headway:log:' .. id end
local function result_key(id) return PREFIX .. 'headway:result:' .. id end
local function owner_key(owner) return PREFIX .. 'headway:owner:' .. owner end
local function celery_key(id) return PREFIX .. 'celery-task-meta-' .. id end

local HOUR = 3600 * 1000000
local UNENDED = 90 * 24 * 3600 * 1000  -- ms for which a task that has not ended is kept beyond its time
local NOW  -- microseconds, as every time and version in here; set as each function begins

-- Take the prefix off a call's arguments: it comes behind those that each function names.
local function begin(args)
  set_prefix(table.remove(args))
  local clock = redis.call('TIME')
  NOW = clock[1] * 1000000 + clock[2]
end

-- Note that this library, whose digest functions.py writes before all this, is in use.
local function note_use()
  redis.call('ZADD', LIBRARIES, NOW, LIBRARY)
end

local function integer(number)
  return string.format('%.0f', number)
end

-- The day of a time in seconds. After Howard Hinnant, "chrono-compatible low-level date algorithms".
local function date(seconds)
  local z = math.floor(seconds / 86400) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, day)
end

local today, today_text = nil, nil

-- RFC 3339 in UTC with milliseconds, as a JSON fragment.
local function stamp(micros)
  local ms = math.floor(micros / 1000)
  local seconds = math.floor(ms / 1000)
  local rest = seconds % 86400
  if seconds - rest ~= today then today, today_text = seconds - rest, date(seconds) end
  return string.format('"%sT%02d:%02d:%02d.%03dZ"', today_text, math.floor(rest / 3600), math.floor(rest / 60) % 60,
    rest % 60, ms % 1000)
end

-- A time as it is asked for: '' now, '+<us>' from now, or '<us>' on this clock. Microseconds.
local function moment(when)
  if when == '' then return NOW end
  if string.sub(when, 1, 1) == '+' then return NOW + tonumber(string.sub(when, 2)) end
  return tonumber(when)
end

local function text(fragment)  -- of a JSON string that needs no escapes
  return fragment and string.sub(fragment, 2, -2)
end

local function members(names, fields)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = '"' .. name .. '":' .. (fields[name] or 'null') end
  return table.concat(parts, ',')
end

-- What lies put together. The article's page takes a `result` for the sign of success, so it is
-- there in SUCCESS alone.
local function still_members(fields)
  local all = members(STILL, fields)
  return fields.state == '"SUCCESS"' and all .. ',' .. members({'result'}, fields) or all
end

-- Of a record's fields: a tag that changes with what is shown, and the snapshot as JSON.
local function compose(fields)
  local position, queue = 'null', 'null'
  if fields.phase == '"queued"' and fields.queue then
    local ahead = redis.call('ZRANK', WAITING .. fields.queue, text(fields.task_id))
    if ahead then position = integer(ahead) end
    if fields.queue ~= '' then queue = cjson.encode(fields.queue) end
  end
  local tag = position == 'null' and fields.version or fields.version .. '-' .. position
  local still = fields.still or still_members(fields)
  return tag, '{' .. members(MOVING, fields) .. ',' .. still .. ',"queue_position":' .. position ..
    ',"queue":' .. queue .. '}'
end

-- What a record holds, `fields` as they lie there and some of them as Lua has them; without a phase it is none.
-- What is read by the SHORT names is enough to show, and to change what is MOVING while the phase stays.
local function hold(record, names)
  names = names or FIELDS
  local values, fields = redis.call('HMGET', record, unpack(names)), {}
  for i, name in ipairs(names) do fields[name] = values[i] or nil end
  if fields.still and string.sub(fields.still, 1, #STILL_HEAD) ~= STILL_HEAD then fields.still = nil end
  if fields.phase and not fields.still then  -- kept since an earlier version
    if names == SHORT then return hold(record) end
    if #(fields.result or '') > MAX_RESULT then
      fields.result, fields.result_size = 'null', integer(#fields.result)
    end
  end
  return {fields = fields, short = names == SHORT, phase = text(fields.phase), cancel = fields.cancel,
    fence = fields.fence or '', spent = fields.spent or '', order = tonumber(fields.order or 0),
    high = tonumber(fields.high or 0), attempt = tonumber(fields.attempt or 0),
    failures = tonumber(fields.failures or 0), max_attempts = tonumber(fields.max_attempts or 1)}
end

-- The same for a run that makes these changes: SHORT where the task goes on running and all of them are MOVING.
local function hold_run(record, changes)
  local short = changes.phase == '"running"'
  for name in pairs(changes) do short = short and MOVES[name] end
  local held = hold(record, short and SHORT)
  return held.short and held.phase ~= 'running' and hold(record) or held
end

-- Remove a delivery's message from what the broker holds. `delivery` says where a broker in this Redis
-- holds it, '' for none: '<hash> <index> <tag>'.
local function settle(delivery)
  local unacked, index, tag = string.match(delivery or '', '^(%S+) (%S+) (%S+)$')
  if not tag then return end
  redis.call('HDEL', unacked, tag)
  redis.call('ZREM', index, tag)
end

-- Have a message that the broker may give back say that its task had a record.
local function mark(delivery, id)
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
local SENDS_KEPT = 100
local function is_new_send(held, send)
  local sends = held.fields.sends or ''
  return send ~= '' and sends ~= '' and not string.find(sends, send, 1, true)
end

local function is_former_send(held, send)
  local sends = held.fields.sends or ''
  return send ~= '' and string.find(sends, send, 1, true) and string.sub(sends, -#send) ~= send
end

local function with_send(held, send)
  local sends = held.fields.sends or ''
  if send == '' or string.find(sends, send, 1, true) then return sends end
  return string.sub(sends .. ' ' .. send, -SENDS_KEPT * (#send + 1))
end

-- Celery's own form of what has no result that a worker made.
local function celery_meta(id, state, result)
  return '{"status":"' .. state .. '","result":' .. (result or 'null') .. ',"traceback":null,"children":[],"date_done":' ..
    (state == 'REVOKED' and stamp(NOW) or 'null') .. ',"task_id":"' .. id .. '"}'
end

-- Who depends on the end of a task with this message, which says it first: a chord ('always'), a
-- chain or error callbacks ('failure'), or nobody ('').
local function dependents_of(message)
  return string.match(message, '^{"dependents": "(%a+)"') or ''
end

-- Note that dependents have to be told of a task's end. `held.teller`: '1' if its writer does now.
local function note_dependents(id, held, fields, phase, ttl)
  local who, due = fields.dependents or held.fields.dependents, NOW
  if who == 'unknown' then
    due = NOW + tonumber(ttl) * 1000  -- its message says it, should it still come
  elseif who ~= 'always' and (who ~= 'failure' or phase == 'succeeded') then
    return
  elseif held.teller == '1' then
    due = NOW + TELL_US
  end
  redis.call('ZADD', UNTOLD, due, id)
end

-- What goes with a change of phase: whose the task is now, and when its record ends.
local function move(record, id, held, fields, phase, ttl)
  local queue, before = fields.queue or held.fields.queue, held.fields.queue
  if queue and phase == 'queued' then
    if queue ~= '' then redis.call('SADD', QUEUES, queue) end
    redis.call('ZADD', WAITING .. queue, NOW, id)
  elseif queue then
    redis.call('ZREM', WAITING .. queue, id)
  end
  if before and before ~= queue then redis.call('ZREM', WAITING .. before, id) end
  if phase ~= 'running' and phase ~= 'cancelling' then redis.call('ZREM', LEASES, id) end
  if FINAL[phase] then
    settle(held.fields.delivery)
    fields.finished_at = fields.updated_at
    redis.call('ZREM', OUTBOX, id)
    redis.call('ZREM', DOOMED, id)
    note_dependents(id, held, fields, phase, ttl)
  end
end

-- Store `changes` (name -> fragment) as the record's next version; tell Celery's clients and the rooms.
-- `meta` is Celery's own form of the result (nil: as it was), `ttl` milliseconds. Returns the snapshot.
local function commit(record, id, held, changes, meta, ttl)
  local fields = held.fields
  local phase = text(changes.phase)
  changes.version = integer(math.max((tonumber(fields.version) or 0) + 1, NOW))
  changes.updated_at = stamp(NOW)
  if not FINAL[phase or held.phase] then ttl = tonumber(ttl) + UNENDED end
  if phase and not held.short then
    changes.state = '"' .. STATE[phase] .. '"'
    move(record, id, held, changes, phase, ttl)
  end
  -- Reports in a row need not put the end of their record off each time.
  local keep = phase ~= held.phase or NOW - tonumber(fields.kept or 0) > HOUR
  if keep then changes.kept = integer(NOW) end
  local flat = {}
  for name, value in pairs(changes) do
    if fields[name] ~= value then
      flat[#flat + 1], flat[#flat + 2] = name, value
      fields[name] = value
    end
  end
  if not held.short then
    fields.still = still_members(fields)
    flat[#flat + 1], flat[#flat + 2] = 'still', fields.still
  end
  redis.call('HSET', record, unpack(flat))
  local celery = celery_key(id)
  if meta then
    redis.call('SET', celery, meta, 'PX', ttl)
    redis.call('PUBLISH', celery, meta)
  end
  local owner = fields.owner or ''
  if keep then
    -- A successor that waits for later keeps its record longer, whatever the run before it still says.
    if FINAL[phase] or redis.call('PTTL', record) < tonumber(ttl) then redis.call('PEXPIRE', record, ttl) end
    redis.call('PEXPIRE', log_key(id), ttl)
    if not meta then redis.call('PEXPIRE', celery, ttl) end
    -- The list lives as long as what it lists.
    if owner ~= '' then redis.call('PEXPIRE', owner_key(owner), ttl, 'GT') end
  end
  local _, json = compose(fields)
  local event = '["snapshot",' .. json .. ']'
  redis.call('PUBLISH', CHANNEL .. 'task:' .. id, event)
  if owner ~= '' then redis.call('PUBLISH', CHANNEL .. 'owner:' .. owner, event) end
  return json
end

-- The fields of a record that nobody has written yet.
local function blank(id, name, title, max_attempts)
  return {task_id = '"' .. id .. '"', name = name, title = title, phase = '"queued"', current = '0', total = '1',
    status = '"Pending..."', step = 'null', result = 'null', result_size = 'null', error = 'null', attempt = '0',
    max_attempts = max_attempts, created_at = stamp(NOW), scheduled_for = 'null', started_at = 'null',
    finished_at = 'null', order = '0', fence = '', spent = '', high = '0', failures = '0'}
end

-- Have a new record be its owner's, '' for nobody's.
local function give_to(owner, id, fields, ttl)
  if owner == '' then return end
  local list = owner_key(owner)
  fields.owner = owner
  redis.call('ZADD', list, NOW, id)
  if redis.call('PTTL', list) < ttl then redis.call('PEXPIRE', list, ttl) end
end

-- Pause all where a worker remembers a later state of this data: it was restored from a backup.
local SWEEPS_LOST = 30  -- at most, where Redis has lost its last seconds only
local function notice_restore(epoch, seen)
  local generation = tonumber(redis.call('GET', GENERATION) or 0)
  if redis.call('GET', EPOCH) ~= epoch or generation + SWEEPS_LOST >= seen then return end
  local former = tonumber(redis.call('HGET', PAUSED, 'seen') or 0)
  redis.call('HSET', PAUSED, 'seen', integer(math.max(seen, former)))
  redis.call('HSETNX', PAUSED, 'since', NOW)
  redis.call('HSETNX', PAUSED, 'data_of', redis.call('GET', LAST_SWEEP) or NOW)
end

-- Whether the delivery (token, order) may write to this record: nil, or why not.
-- `order` grows with each retry and replacement of one id; without a fence, nobody has that order now. `spent` are the
-- tokens of those from whom it was taken.
local function fenced(held, token, order)
  if held.phase and FINAL[held.phase] then return 'final' end
  if token == '' or not held.phase then return nil end
  if order > held.order then return nil end
  if order < held.order then return 'stale' end
  if held.fence ~= '' and held.fence ~= token then return 'superseded' end
  if string.find(held.spent, token, 1, true) then return 'superseded' end
  return nil
end

local function begun(held)
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

-- Do something for each of these ids of a shared set. One whose record cannot be handled goes out
-- of the set, and the others have their turn. Returns {id, why, ...} of those.
local function for_each(set, ids, handle)
  local broken = {}
  for _, id in ipairs(ids) do
    local well, why = pcall(handle, id)
    if not well then
      redis.call('ZREM', set, id)
      broken[#broken + 1], broken[#broken + 2] = id, type(why) == 'table' and why.err or tostring(why)
    end
  end
  return broken
end

-- Whether a worker has done a round within a minute; in an app without a keeper none does.
local function is_attended()
  return NOW - tonumber(redis.call('GET', LAST_SWEEP) or 0) <= 60000000
end

-- End a task as cancelled.
local function revoke(record, id, held, ttl)
  local why = '{"exc_type":"TaskRevokedError","exc_message":["cancelled"],"exc_module":"celery.exceptions"}'
  local fields = {phase = '"cancelled"', status = '"Cancelled"', error = 'null', scheduled_for = 'null'}
  return commit(record, id, held, fields, celery_meta(id, 'REVOKED', why), ttl)
end

-- The fields of a record that starts over, for a new send of an id whose task has ended.
local function renewed(record, id, held, name, max_attempts)
  redis.call('HDEL', record, 'cancel', 'mail', 'mailer', 'result_at', 'run', 'write_id')
  held.fields.cancel, held.fields.write_id = nil, nil
  held.cancel, held.order, held.attempt, held.high, held.failures = nil, 0, 0, 0, 0
  return blank(id, name, held.fields.title or name, max_attempts)
end

-- What a task shows while it waits for a worker.
local function queued(status)
  return {phase = '"queued"', status = status, current = '0', total = '1', step = 'null', error = 'null',
    scheduled_for = 'null', high = '0'}
end

-- Take a message that is due, to be sent now; nil where it is not wanted. Due again in 5 s if unsent.
local function take_due(record, id, held, ttl)
  local message = redis.call('HGET', record, 'message')
  if not message or FINAL[held.phase] then
    redis.call('ZREM', OUTBOX, id)
    return nil
  end
  redis.call('ZADD', OUTBOX, NOW + 5000000, id)
  if held.phase ~= 'queued' then
    commit(record, id, held, queued('"Pending..."'), celery_meta(id, 'PENDING'), ttl)
  end
  return message
end

-- Take a task from the run with this token, which can write no more, and have it wait for a worker anew.
local function requeue(record, id, held, token, status, ttl)
  local fields = queued(status)
  fields.fence, fields.spent = '', held.spent .. ' ' .. token
  commit(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
end

-- The attempt with this token is lost. Returns 'cancelled', or 'requeued' when its message is to be sent again, or 'exhausted'
-- when it was the last attempt: then its holder, or whoever acts for it, has to store the failure soon.
local function lose(record, id, held, token, ttl)
  settle(held.fields.delivery)
  if held.cancel then
    revoke(record, id, held, ttl)
    return 'cancelled'
  end
  if redis.call('HEXISTS', record, 'message') == 0 or held.failures + 1 >= held.max_attempts then
    redis.call('ZADD', LEASES, NOW + 5000000, id)
    return 'exhausted'
  end
  redis.call('HINCRBY', record, 'failures', 1)
  requeue(record, id, held, token, '"Worker lost, trying again"', ttl)
  redis.call('ZADD', OUTBOX, NOW, id)
  return 'requeued'
end
