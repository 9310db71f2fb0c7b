-- The changes of a record that several functions make. Each is stored, versioned and published by
-- `store_version`.

-- Celery's result meta of a state for which no worker has made one.
local function celery_meta(id, state, result)
  local date_done = state == 'REVOKED' and format_time(NOW) or 'null'
  return '{"status":"' .. state .. '","result":' .. (result or 'null') ..
    ',"traceback":null,"children":[],"date_done":' .. date_done .. ',"task_id":"' .. id .. '"}'
end

-- Which ends of a task have dependents to notify, by its message's first key: 'always' for a chord,
-- 'failure' for a chain or error callbacks, '' for none.
local function dependents_of(message)
  return string.match(message, '^{"dependents": "(%a+)"') or ''
end

-- Publish an event to a task's room and, unless it is a part of another task, to its owner's.
local function publish_event(id, fields, event)
  local redis = server()
  local owner = fields.owner or ''
  redis.call('PUBLISH', room('task', id), event)
  if owner ~= '' and not fields.parent_id then redis.call('PUBLISH', room('owner', owner), event) end
end

local count_part  -- see parts.lua
local store_version
do  -- see points.lua

-- Note that a task's dependents have to be notified, by `held.notified_by`.
local function note_dependents(id, held, fields, phase, ttl)
  local who, due = fields.dependents or held.fields.dependents, NOW
  if who == 'unknown' then
    due = NOW + tonumber(ttl) * 1000  -- its message says it, should it still come
  elseif who ~= 'always' and (who ~= 'failure' or phase == 'succeeded') then
    return
  elseif held.notified_by == 'writer' then
    due = NOW + NOTIFY_US
  end
  redis.call('ZADD', UNNOTIFIED, due, id)
end

-- Change what goes with a phase: queues, lease, question, delivery, the outbox, dependents.
local function transition(record, id, held, fields, phase, ttl)
  local queue, before = fields.queue or held.fields.queue, held.fields.queue
  if queue and phase == 'queued' and fields.in_line ~= '1' then
    if queue ~= '' then redis.call('SADD', QUEUES, queue) end
    redis.call('ZADD', WAITING .. queue, place(fields.priority or held.fields.priority), id)
  elseif queue then
    redis.call('ZREM', WAITING .. queue, id)
  end
  if before and before ~= queue then redis.call('ZREM', WAITING .. before, id) end
  if phase ~= 'waiting' then fields.question = 'null' end
  if held.phase then
    if phase ~= 'running' and phase ~= 'cancelling' then redis.call('ZREM', LEASES, id) end
    if phase ~= 'waiting' then redis.call('ZREM', QUESTIONS, id) end
  end
  if FINAL[phase] then
    settle(held.fields.delivery)
    fields.finished_at = fields.updated_at
    if phase ~= 'succeeded' then fields.resume = resume_point(record, fields) end
    redis.call('ZREM', OUTBOX, id)
    redis.call('ZREM', KILL_DEADLINES, id)
    note_dependents(id, held, fields, phase, ttl)
  end
end

-- Drop what a record no longer needs once its task has ended, and what means the same where it is
-- missing or in `static`: each field takes some 40 bytes beside its name and what it holds. What is
-- left is written once more, since a hash keeps the room that it once had: 256 bytes of most records.
-- One with many fields, such as those of thousands of effects, is no compact hash that gains by that,
-- and is more than one call takes.
local COMPACT_FIELDS = 128
local ENDED = {'run', 'stop_requested', 'max_fraction', 'bar', 'ttl_refreshed_at', 'worker', 'queue',
  'generation', 'point_due', 'point_gap', 'delivery', 'failures', 'resume', 'question', 'name', 'title', 'attempt',
  'max_attempts', 'created_at', 'scheduled_for', 'started_at', 'finished_at', 'updated_at', 'result'}
local function drop_fields_of_run(record, id, fields)
  local dropped = joined(ENDED)
  for name, value in pairs(fields) do
    local follows = name == 'current' and value == fields.total
    if follows or value == 'null' or value == '' or value == '""' then dropped[#dropped + 1] = name end
  end
  redis.call('HDEL', record, unpack(dropped))
  redis.call('HSET', record, 'static', shortened(fields.static))
  if redis.call('HLEN', record) <= COMPACT_FIELDS then
    local left = redis.call('HGETALL', record)
    redis.call('DEL', record)
    redis.call('HSET', record, unpack(left))
  end
  drop_few_points(id)
end

-- Store `changes` (name -> fragment) as the record's next version; tell Celery's clients and the
-- rooms. `meta` is Celery's own form of the result (nil: as it was), `ttl` milliseconds. Returns
-- the snapshot.
store_version = function(record, id, held, changes, meta, ttl)
  local fields = held.fields
  local phase = text(changes.phase)
  changes.version = next_version(fields.version)
  changes.updated_at = format_time(NOW)
  if not FINAL[phase or held.phase] then ttl = tonumber(ttl) + UNENDED end
  if phase and not held.short then
    transition(record, id, held, changes, phase, ttl)
    if phase ~= held.phase then note_history(fields, changes, phase) end
  end
  if is_point(held, changes, phase) then note_point(record, id, fields, changes, ttl, phase) end
  -- Frequent reports need not renew the expiry of their record each time; at an end the record is
  -- written anew, without one.
  local keep = FINAL[phase] or phase ~= held.phase or NOW - number(fields.ttl_refreshed_at) > HOUR
  if keep then changes.ttl_refreshed_at = integer(NOW) end
  local flat = {}
  for name, value in pairs(changes) do
    if fields[name] ~= value or held.had_ended then  -- the record may have it in `static` alone
      flat[#flat + 1], flat[#flat + 2] = name, value
      fields[name] = value
    end
  end
  if not held.short then
    fields.static = static_members(fields)
    flat[#flat + 1], flat[#flat + 2] = 'static', fields.static
  end
  redis.call('HSET', record, unpack(flat))
  if FINAL[phase] then drop_fields_of_run(record, id, fields) end
  local celery = celery_key(id)
  if meta then
    redis.call('SET', celery, meta, 'PX', ttl)
    redis.call('PUBLISH', celery, meta)
  end
  local owner = fields.owner or ''
  if keep then
    -- A successor that waits for later has set a longer expiry: reports of the run before it must not
    -- shorten that.
    if FINAL[phase] or redis.call('PTTL', record) < tonumber(ttl) then
      redis.call('PEXPIRE', record, ttl)
    end
    if held.phase then  -- a new one has none of these, or has just set their end
      redis.call('PEXPIRE', log_key(id), ttl)
      redis.call('PEXPIRE', points_key(id), ttl)
      keep_unique(record, id, owner, phase, ttl)
    end
    for _, stream in ipairs(streams_of(fields.streams)) do
      redis.call('PEXPIRE', stream_key(id, stream.name), ttl)
    end
    if not meta then redis.call('PEXPIRE', celery, ttl) end
    if held.phase then leave_lines(record, id, owner, phase) end
    -- The list lives as long as what it lists.
    local list = list_of(fields)
    if list then keep_for(list_key(list), tonumber(ttl)) end
    if list and phase and not held.short then
      note_phase(record, list, id, held.phase, phase, fields)
    elseif list then
      note_expiry(record, list, id, text(fields.phase))
    end
  end
  local _, json = render(id, fields)
  publish_event(id, fields, '["snapshot",' .. json .. ']')
  if fields.parent_id then count_part(record, id, fields, ttl) end
  if devices.is_news(held, changes, phase) then devices.note_news(id, owner) end
  return json
end

end

-- Note in an ended task, `source`, which task resumes it.
local function note_continuation(source, id, ttl)
  local record = record_key(source)
  local held = load(record)
  local resume = held.fields.resume
  if not FINAL[held.phase] or not resume or resume == 'null' then return end
  resume = '{"percent":' .. (string.match(resume, '"percent":(%d+)') or 'null') .. ',"task_id":"' .. id .. '"}'
  store_version(record, source, held, {resume = resume}, nil, ttl)
end

-- End a task as cancelled, with this status if there is one.
local function revoke(record, id, held, ttl, status)
  local why = '{"exc_type":"TaskRevokedError","exc_message":["cancelled"],' ..
    '"exc_module":"celery.exceptions"}'
  local fields = {phase = '"cancelled"', status = status or '"Cancelled"', error = 'null',
    scheduled_for = 'null'}
  return store_version(record, id, held, fields, celery_meta(id, 'REVOKED', why), ttl)
end

-- Cancel an open task: at once, or its run, which has to end by itself within `grace` us. Returns
-- what became of it, and the snapshot.
local function cancel_open(record, id, held, ttl, grace, status)
  if not is_running(held) or not has_holder(id) then
    return 'cancelled', revoke(record, id, held, ttl, status)
  end
  if held.cancel then
    local _, json = render(id, held.fields)
    return 'cancelling', json
  end
  redis.call('ZADD', KILL_DEADLINES, NOW + grace, id)
  local changes = {phase = '"cancelling"', cancel = '1'}
  return 'cancelling', store_version(record, id, held, changes, nil, ttl)
end

-- Cancel the open task of a digest, as a newer one comes in its place.
local function replace_open(id, held, ttl, grace)
  cancel_open(record_key(id), id, held, ttl, grace, '"Replaced by a newer one"')
end

-- The fields of a record that starts over, for a new send of an id whose task has ended.
local function restarted_fields(record, id, held, name, max_attempts)
  redis.call('HDEL', record, 'cancel', 'result_at', 'result_kind', 'run',
    'write_id', 'point_due', 'point_gap', 'streams', 'stream_formats', 'files', 'files_shown', 'unique', 'line', 'in_line', 'parts_cancelled')
  saves.forget(record)
  redis.call('DEL', points_key(id))
  delete_streams(id, held.fields.streams)
  held.fields.streams = nil
  forget_tracebacks(record, held.attempt)
  local list = list_of(held.fields)
  if list then redis.call('ZREM', phase_key(list, held.phase), id) end
  held.fields.cancel = nil
  held.fields.write_id = nil
  held.fields.point_due = nil
  held.cancel = nil
  held.generation = 0
  held.attempt = 0
  held.failures = 0
  return new_fields(name, held.fields.title or name, max_attempts)
end

-- What a task shows while it waits for a worker.
local function queued_fields(status)
  return {phase = '"queued"', status = status, current = '0', total = '1', step = 'null',
    error = 'null', scheduled_for = 'null', max_fraction = '0'}
end

-- Take a message that is due, to be sent now; nil if it is not wanted, or waits for its turn. It is due
-- again in 5 s, until it is marked as published.
local function take_due(record, id, held, ttl)
  local message = redis.call('HGET', record, 'message')
  if not message or FINAL[held.phase] or held.phase == 'waiting' then
    redis.call('ZREM', OUTBOX, id)
    return nil
  end
  if held.cancel then  -- its run is gone, and no other is to run
    revoke(record, id, held, ttl)
    return nil
  end
  local line, queue, in_line = unpack(redis.call('HMGET', record, 'line', 'line_queue', 'in_line'))
  local is_in_line = in_line == '1'
  if not takes_turn(held.fields.owner or '', line, id, held.fields.priority, ttl) then
    redis.call('ZADD', OUTBOX, NOW + RECHECK_TURN, id)
    if not is_in_line then
      store_version(record, id, held, waiting_fields(), celery_meta(id, 'PENDING'), ttl)
    end
    return nil
  end
  redis.call('ZADD', OUTBOX, NOW + 5000000, id)
  if held.phase ~= 'queued' or is_in_line then
    local fields = queued_fields('"Pending..."')
    if is_in_line then fields.queue, fields.in_line = queue, '' end
    store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
  end
  return message
end

-- Have a record's changes end its fence: the run with this token can write no more.
local function release_fence(held, token, changes)
  changes.fence = ''
  changes.revoked_tokens = held.revoked_tokens .. ' ' .. token
end

-- Queue a task again: the run with this token, which had it, can write no more.
local function requeue(record, id, held, token, status, ttl)
  local fields = queued_fields(status)
  release_fence(held, token, fields)
  store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
end

-- Queue a task again whose run with this token is lost, with its worker or its process. Returns
-- 'requeued' if its message will be sent again; 'cancelled'; or 'exhausted' after its last attempt:
-- then the caller, or another sweep in 5 s, has to store the failure.
local function requeue_lost(record, id, held, token, ttl)
  settle(held.fields.delivery)
  if held.cancel then
    revoke(record, id, held, ttl)
    return 'cancelled'
  end
  -- A run that has saved something new uses up no attempt: so a long task ends, however often its
  -- runs are killed.
  local has_moved_on = held.fence ~= '' and saves.by(redis.call('HGET', record, 'saved')) == held.fence
  local failed = has_moved_on and 0 or 1
  local is_last = failed == 1 and held.failures + 1 >= held.max_attempts
  if redis.call('HEXISTS', record, 'message') == 0 or is_last then
    if is_running(held) then redis.call('ZADD', LEASES, NOW + 5000000, id) end
    return 'exhausted'
  end
  held.fields.failures = integer(held.failures + failed)
  redis.call('HSET', record, 'failures', held.fields.failures)
  local status = going_on(record, 'Worker lost, goes on ') or '"Worker lost, trying again"'
  requeue(record, id, held, token, status, ttl)
  redis.call('ZADD', OUTBOX, NOW, id)
  return 'requeued'
end
