-- Store one change of a task.
-- KEYS[1]: the record.
-- KEYS[2], KEYS[3]: where they are large, the keys under which Celery's own form and the whole
--   result were staged (see stage.lua): to copy megabytes would hold Redis up.
-- ARGV[1]: id.
-- ARGV[2]: token, '' for a write without a fence.
-- ARGV[3]: generation of the run's delivery.
-- ARGV[4], ARGV[5], ARGV[6]: name, title and max_attempts, as JSON fragments.
-- ARGV[7]: Celery's own form.
-- ARGV[8]: ttl in ms.
-- ARGV[9]: us until a retry.
-- ARGV[10]: the write's own id.
-- ARGV[11]: failures at which no retry follows.
-- ARGV[12]: what notifies the task's dependents of an end: 'writer', 'maintenance', 'receiver'.
-- ARGV[13]: what the run saves with a report, '' for nothing.
-- ARGV[14]: '1' where it may end with this save.
-- ARGV[15]: how much text belongs to the save, see saves.is_late.
-- ARGV[16]: '1' for a retry that follows no failure.
-- ARGV[17] on: field and JSON fragment of each change, in turn.
-- Returns 'written'; 'cancelling' when it was and the task has to stop; 'cancelled' for a retry of
-- such a task; 'requeued' when its worker stops, so that its run ends with this save;
-- 'exhausted' for a retry after the last attempt, which is not stored; 'unstaged' when what was
-- staged is gone; or why not.
local record = KEYS[1]
local staged_meta = KEYS[2]
local staged_result = KEYS[3]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local name = ARGV[4]
local title = ARGV[5]
local max_attempts = ARGV[6]
local meta = ARGV[7]
local ttl = tonumber(ARGV[8])
local retry_in = tonumber(ARGV[9])
local write_id = ARGV[10]
local most_failures = tonumber(ARGV[11])
local notified_by = ARGV[12]
local saved = ARGV[13]
local may_stop = ARGV[14] == '1'
local written = ARGV[15]
local is_wait = ARGV[16] == '1'
local FIRST_FIELD = 17
local fields = {}
for i = FIRST_FIELD, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
local stops = may_stop and redis.call('HGET', record, 'stop_requested') == token
local held = stops and load(record) or load_for_run(record, fields)
-- A word that a program has set by hand: a task is queued by its message and by maintenance alone.
if held.phase and fields.phase == '"queued"' then fields.phase = nil end
-- No more can it end the wait for a person's answer, but by the task's end.
if held.phase == 'waiting' and not FINAL[text(fields.phase)] then fields.phase = nil end
-- Sent again because its reply was lost: it was stored, so its writer must hear so.
if write_id ~= '' and held.fields.write_id == write_id then return 'written' end
local refused = refusal_of(held, token, generation)
if refused then return refused end

if not held.phase then
  for field, value in pairs(new_fields(name, title, max_attempts)) do
    fields[field] = fields[field] or value
  end
end
local phase = text(fields.phase)
held.notified_by = notified_by
if notified_by == 'receiver' and redis.call('HEXISTS', record, 'message') == 0 then
  fields.dependents = 'unknown'
end
local outcome = 'written'
if held.cancel and phase == 'running' then
  fields.phase = '"cancelling"'
  outcome = 'cancelling'
elseif held.cancel and phase == 'retrying' then
  revoke(record, id, held, ttl)
  return 'cancelled'
end
local has = held.fields
local total = tonumber(fields.total or has.total)  -- nil: unknown

if phase == 'running' then
  fields.current, fields.total, fields.max_fraction = fit_numbers(fields.current, fields.total, fields.bar,
    has.current, has.total, has.bar, has.max_fraction)
elseif phase == 'succeeded' then
  fields.total = total and fields.total or held.fields.total
  if (tonumber(fields.total) or 0) <= 0 then fields.total = held.fields.current end
  if (tonumber(fields.total) or 0) <= 0 then fields.total = '1' end
  fields.current = fields.total
elseif phase == 'failed' then
  fields.failures = integer(held.failures + 1)
elseif phase == 'retrying' then
  local failed = is_wait and 0 or 1
  if failed == 1 and held.failures + 1 >= most_failures then return 'exhausted' end
  settle(held.fields.delivery)
  -- The next attempt was sent before this was stored: from now on only that one counts.
  fields.failures = integer(held.failures + failed)
  fields.generation = integer(math.max(generation, held.generation) + 1)
  fields.fence = ''
  fields.scheduled_for = format_time(NOW + retry_in)
  fields.max_attempts = max_attempts
  ttl = ttl + math.floor(retry_in / 1000)
end
note_traceback(record, held, fields)
local is_late, with_save
if saved ~= '' then
  is_late, with_save = saves.is_late(id, has.streams, redis.call('HGET', record, 'saved'), saved, written)
end
if saved ~= '' and not is_late then
  fields.saved = saved
  fields.saved_percent = percent_of(tonumber(fields.current or has.current), tonumber(fields.total or has.total))
  fields.streams = with_save
end
if stops and fields.saved and outcome == 'written' then
  redis.call('HSET', record, 'saved', saved, 'saved_percent', fields.saved_percent,
    'streams', fields.streams or '')
  settle(held.fields.delivery)
  requeue(record, id, held, token, going_on(record, 'Goes on '), ttl)
  redis.call('ZADD', OUTBOX, NOW, id)
  return 'requeued'
end
if write_id ~= '' then fields.write_id = write_id end
if not staged_meta then
  store_version(record, id, held, fields, meta, ttl)
  return outcome
end

local celery = celery_key(id)
local moves = {{staged_meta, celery}}
if staged_result then moves[2] = {staged_result, result_key(id)} end
for _, move in ipairs(moves) do
  if redis.call('EXISTS', move[1]) == 0 then return 'unstaged' end
end
for _, move in ipairs(moves) do
  redis.call('RENAME', move[1], move[2])
  redis.call('PEXPIRE', move[2], ttl)
end
store_version(record, id, held, fields, nil, ttl)
-- Celery's clients read no key again once they wait, so one that waits for just this task is told
-- the whole.
if redis.call('PUBSUB', 'NUMSUB', celery)[2] > 0 then
  redis.call('PUBLISH', celery, redis.call('GET', celery))
end
return outcome
