-- The head of every script: how a record lies in Redis, and how its snapshot is put together.
--
-- A record is a hash. Its public fields hold JSON fragments, so that a snapshot is a concatenation: decoding and encoding
-- with cjson would turn [] into {} and a version into 1.7e+15.

-- The fan-out reads the id and the version from the first two.
local PUBLIC = {'task_id', 'version', 'name', 'title', 'state', 'phase', 'current', 'total', 'status', 'step', 'result',
  'error', 'attempt', 'max_attempts', 'created_at', 'scheduled_for', 'started_at', 'updated_at', 'finished_at'}

local STATE = {scheduled = 'PENDING', queued = 'PENDING', retrying = 'PENDING', running = 'PROGRESS',
  cancelling = 'PROGRESS', succeeded = 'SUCCESS', failed = 'FAILURE', cancelled = 'REVOKED'}
local FINAL = {succeeded = true, failed = true, cancelled = true}

local CHANNEL = 'flask-socketio:'

-- Shared sets of ids, by time: until when a worker holds what it runs, and what it has received and not begun; when a
-- message is to be sent; since when a task waits in a queue; until when a cancelled run may end by itself.
local LEASES, RESERVED, OUTBOX = 'headway:leases', 'headway:reserved', 'headway:outbox'
local WAITING, DOOMED = 'headway:waiting:', 'headway:doomed'
local QUEUES = 'headway:queues'

local clock = redis.call('TIME')
local NOW = clock[1] * 1000000 + clock[2]  -- microseconds, as every time and version in here

local function integer(number)
  return string.format('%.0f', number)
end

-- RFC 3339 in UTC with milliseconds, as a JSON fragment. Days to a date after Howard Hinnant, "chrono-compatible
-- low-level date algorithms".
local function stamp(micros)
  local ms = math.floor(micros / 1000)
  local seconds = math.floor(ms / 1000)
  local rest = seconds % 86400
  local z = math.floor(seconds / 86400) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"', year, month, day, math.floor(rest / 3600),
    math.floor(rest / 60) % 60, rest % 60, ms % 1000)
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

-- Of a record: its owner, a tag that changes with what is shown, its snapshot as JSON; nothing when there is none.
local function snapshot(record)
  local values = redis.call('HMGET', record, 'owner', 'queue', unpack(PUBLIC))
  if not values[3] then return nil end
  local parts, tag, position = {}, nil, 'null'
  for i, name in ipairs(PUBLIC) do
    local value = values[i + 2] or 'null'
    if name == 'version' then tag = value end
    if name == 'phase' and value == '"queued"' and values[2] then
      local ahead = redis.call('ZRANK', WAITING .. values[2], text(values[3]))
      if ahead then position = integer(ahead); tag = tag .. '-' .. position end
    end
    parts[i] = '"' .. name .. '":' .. value
  end
  return values[1] or '', tag, '{' .. table.concat(parts, ',') .. ',"queue_position":' .. position .. '}'
end

-- Celery's own form of what has no result that a worker made.
local function celery_meta(id, state, result)
  return '{"status":"' .. state .. '","result":' .. (result or 'null') .. ',"traceback":null,"children":[],"date_done":' ..
    (state == 'REVOKED' and stamp(NOW) or 'null') .. ',"task_id":"' .. id .. '"}'
end

-- Store fields (name -> fragment) as the record's next version; tell Celery's clients and the rooms.
-- `meta` is Celery's own form of the result (nil: as it was), `ttl` milliseconds. Returns the snapshot.
local function commit(record, id, fields, meta, ttl)
  local old = redis.call('HMGET', record, 'version', 'owner', 'queue')
  local phase = text(fields.phase)
  local version = math.max((tonumber(old[1]) or 0) + 1, NOW)
  fields.version = integer(version)
  fields.updated_at = stamp(NOW)
  if phase then
    fields.state = '"' .. STATE[phase] .. '"'
    local queue = fields.queue or old[3]
    if queue and phase == 'queued' then
      if queue ~= '' then redis.call('SADD', QUEUES, queue) end
      redis.call('ZADD', WAITING .. queue, NOW, id)
    elseif queue then
      redis.call('ZREM', WAITING .. queue, id)
    end
    if old[3] and old[3] ~= queue then redis.call('ZREM', WAITING .. old[3], id) end
    if phase ~= 'running' and phase ~= 'cancelling' then redis.call('ZREM', LEASES, id) end
    if FINAL[phase] then
      fields.finished_at = fields.updated_at
      redis.call('ZREM', OUTBOX, id)
      redis.call('ZREM', DOOMED, id)
    end
  end
  local flat = {}
  for name, value in pairs(fields) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', record, unpack(flat))
  redis.call('PEXPIRE', record, ttl)
  redis.call('PEXPIRE', 'headway:log:' .. id, ttl)
  local celery = 'celery-task-meta-' .. id
  if meta then
    redis.call('SET', celery, meta, 'PX', ttl)
    redis.call('PUBLISH', celery, meta)
  else
    redis.call('PEXPIRE', celery, ttl)
  end
  local owner, _, json = snapshot(record)
  local event = '["snapshot",' .. json .. ']'
  redis.call('PUBLISH', CHANNEL .. 'task:' .. id, event)
  if owner ~= '' then
    redis.call('PEXPIRE', 'headway:owner:' .. owner, ttl, 'GT')  -- the list lives as long as what it lists
    redis.call('PUBLISH', CHANNEL .. 'owner:' .. owner, event)
  end
  return json
end

-- The fields of a record that nobody has written yet.
local function blank(id, name, title, max_attempts)
  return {task_id = '"' .. id .. '"', name = name, title = title, phase = '"queued"', current = '0', total = '1',
    status = '"Pending..."', step = 'null', result = 'null', error = 'null', attempt = '0',
    max_attempts = max_attempts, created_at = stamp(NOW), scheduled_for = 'null', started_at = 'null',
    finished_at = 'null', order = '0', fence = '', spent = '', high = '0', failures = '0'}
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

local function hold(record)
  local values = redis.call('HMGET', record, 'phase', 'fence', 'order', 'current', 'total', 'high', 'attempt', 'failures',
    'max_attempts', 'cancel', 'spent')
  return {phase = text(values[1] or nil), fence = values[2] or '', order = tonumber(values[3] or 0), current = values[4],
    total = values[5], high = tonumber(values[6] or 0), attempt = tonumber(values[7] or 0),
    failures = tonumber(values[8] or 0), max_attempts = tonumber(values[9] or 1), cancel = values[10] or nil,
    spent = values[11] or ''}
end

local function begun(held)
  return held.phase == 'running' or held.phase == 'cancelling'
end

local function has_holder(id)
  return redis.call('ZSCORE', LEASES, id)
end

-- End a task as cancelled.
local function revoke(record, id, ttl)
  local why = '{"exc_type":"TaskRevokedError","exc_message":["cancelled"],"exc_module":"celery.exceptions"}'
  local fields = {phase = '"cancelled"', status = '"Cancelled"', error = 'null', scheduled_for = 'null'}
  return commit(record, id, fields, celery_meta(id, 'REVOKED', why), ttl)
end

-- What a task shows while it waits for a worker.
local function queued(status)
  return {phase = '"queued"', status = status, current = '0', total = '1', step = 'null', error = 'null',
    scheduled_for = 'null', high = '0'}
end

-- Take a task from the run with this token, which can write no more, and have it wait for a worker anew.
local function requeue(record, id, held, token, status, ttl)
  local fields = queued(status)
  fields.fence, fields.spent = '', held.spent .. ' ' .. token
  commit(record, id, fields, celery_meta(id, 'PENDING'), ttl)
end

-- The attempt with this token is lost. Returns 'cancelled', or 'requeued' when its message is to be sent again, or 'exhausted'
-- when it was the last attempt: then its holder, or whoever acts for it, has to store the failure soon.
local function lose(record, id, held, token, ttl)
  if held.cancel then
    revoke(record, id, ttl)
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
