-- Store a report of the run that has the task: what `write` does, for what comes most often.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's delivery; ARGV[4]:
-- Celery's own form; ARGV[5]: ttl in ms; ARGV[6]: current, ARGV[7]: total, ARGV[8]: status, ARGV[9]:
-- step, ARGV[10]: bar, as JSON fragments, '' for what it does not say; ARGV[11]: what the run saves
-- with it ('' nothing); ARGV[12]: '1' where it may end with this save; ARGV[13]: how much text
-- belongs to it, see saves.is_late.
-- Returns 'written', or 'other' where it has stored nothing, as there is more to do or to refuse
-- than it knows of: then `write` is called.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local generation = ARGV[3]
local meta = ARGV[4]
local ttl = ARGV[5] + UNENDED
local current = said(ARGV[6])
local total = said(ARGV[7])
local status = said(ARGV[8])
local step = said(ARGV[9])
local bar = said(ARGV[10])
local saved = said(ARGV[11])
local may_stop = ARGV[12] == '1'
local written = ARGV[13]
local redis = server()  -- a damaged record is left to `write`, which sets it aside
local phase, fence, its_generation, static, owner, streams, version, was_current, was_total, was_status,
  was_step, max_fraction, was_bar, point_due, parts, stop_requested, was_saved, was_percent =
  unpack(redis.pcall('HMGET', record, unpack(saved and READ.save or READ.report)))
-- A task that was cancelled is not `running`, and a run from which it was taken has another fence.
if phase ~= '"running"' or fence ~= token or its_generation ~= generation or not is_current(static) then
  return 'other'
end
if may_stop and stop_requested == token then return 'other' end
local is_late, with_save
if saved then is_late, with_save = saves.is_late(id, streams, was_saved, saved, written) end
if is_late then saved = nil end
local new_max_fraction
current, total, new_max_fraction = fit_numbers(current, total, bar, was_current, was_total, was_bar,
  max_fraction)
version = next_version(version)
local updated_at = format_time(NOW)
local changes = {'version', version, 'updated_at', updated_at}
if NOW >= number(point_due) then
  if NOW - number(redis.call('HGET', record, 'ttl_refreshed_at')) > HOUR then return 'other' end
  if current then
    local noted = {current = current, total = total or was_total}
    note_point(record, id, noted, noted, ttl)
    put(changes, 'point_due', noted.point_due)
    put(changes, 'point_gap', noted.point_gap)
  end
end
current = put(changes, 'current', current, was_current)
total = put(changes, 'total', total, was_total)
status = put(changes, 'status', status, was_status)
step = put(changes, 'step', step, was_step)
put(changes, 'bar', bar, was_bar)
put(changes, 'max_fraction', new_max_fraction, max_fraction)
if saved then
  put(changes, 'saved', saved, was_saved)
  put(changes, 'saved_percent', percent_of(tonumber(current), tonumber(total)), was_percent)
  streams = put(changes, 'streams', with_save, streams)
end
redis.call('HSET', record, unpack(changes))
local celery = celery_key(id)
redis.call('SET', celery, meta, 'PX', ttl)
-- Where nobody listens: to ask Redis costs as much, and does not tell who listens by a pattern.
redis.call('PUBLISH', celery, meta)
local shown = {version = version, phase = phase, current = current, total = total, status = status,
  step = step, updated_at = updated_at, parts = parts, parent_id = parent_in(static), owner = owner}
local rendered = render_streams(id, streams)
local event = render_between('["snapshot",', id, shown, static, 'null', 'null', rendered, ']')
publish_event(id, shown, event)
if shown.parent_id then count_part(record, id, shown, ttl) end
return 'written'
