-- One change of a task. KEYS: record; then, where they are large, the keys under which Celery's own
-- form and the whole result were staged (see stage.lua): to copy megabytes would hold Redis up.
-- ARGV: id, token ('' for a write without a fence), order, name, title, max_attempts (fragments),
-- meta, ttl ms, delay us of a retry, the write's own id, failures at which no retry follows, who
-- tells the task's dependents of an end ('1' its writer, '' maintenance, '?' a holder of
-- its message), then field, fragment, ...
-- Returns 'written'; 'cancelling' when it was and the task has to stop; 'cancelled' for a retry of
-- such a task; 'exhausted' for a retry after the last attempt, which is not stored; 'unstaged' when
-- what was staged is gone; or why not.
local record, id, token = KEYS[1], ARGV[1], ARGV[2]
local order, ttl = tonumber(ARGV[3]), tonumber(ARGV[8])
local fields = {}
for i = 13, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
local held = load_for_run(record, fields)
-- A word that a program has set by hand: a task is queued by its message and by maintenance alone.
if held.phase and fields.phase == '"queued"' then fields.phase = nil end
-- Sent again because its reply was lost: it was stored, so its writer must hear so.
if ARGV[10] ~= '' and held.fields.write_id == ARGV[10] then return 'written' end
local refused = refusal_of(held, token, order)
if refused then return refused end

if not held.phase then
  for name, value in pairs(new_fields(id, ARGV[4], ARGV[5], ARGV[6])) do
    fields[name] = fields[name] or value
  end
end
local phase = text(fields.phase)
held.teller = ARGV[12]
if held.teller == '?' and redis.call('HEXISTS', record, 'message') == 0 then
  fields.dependents = 'unknown'
end
local verdict = 'written'
if held.cancel and phase == 'running' then
  fields.phase, verdict = '"cancelling"', 'cancelling'
elseif held.cancel and phase == 'retrying' then
  revoke(record, id, held, ttl)
  return 'cancelled'
end
local is_next_bar = fields.bar and fields.bar ~= held.fields.bar
if is_next_bar then
  fields.high, fields.current, fields.total = '0', fields.current or '0', fields.total or 'null'
elseif fields.current and held.fields.current == '0' and held.fields.total == '1'
  and tonumber(fields.current) > 1 then
  fields.total = fields.total or 'null'  -- of how much, nobody has said yet
end
local current = tonumber(fields.current or held.fields.current)  -- nil: unknown, as the next
local total = tonumber(fields.total or held.fields.total)

if phase == 'running' and (fields.current or fields.total) and current then
  -- Within a bar of an attempt it never goes back, and 15 of 10 is not shown.
  local high, part = is_next_bar and 0 or held.max_fraction, total and total > 0 and current / total
  if current < 0 or (total and total < 0) or (part and (part < high or part > 1 + 1e-9)) then
    fields.current, fields.total = nil, nil
  elseif part then
    fields.high = string.format('%.17g', part)
  end
elseif phase == 'succeeded' then
  fields.total = total and fields.total or held.fields.total
  if (tonumber(fields.total) or 0) <= 0 then fields.total = held.fields.current end
  if (tonumber(fields.total) or 0) <= 0 then fields.total = '1' end
  fields.current = fields.total
elseif phase == 'retrying' then
  if held.failures + 1 >= tonumber(ARGV[11]) then return 'exhausted' end
  settle(held.fields.delivery)
  -- The next attempt was sent before this was stored: from now on only that one counts.
  fields.failures = integer(held.failures + 1)
  fields.order, fields.fence = integer(math.max(order, held.order) + 1), ''
  fields.scheduled_for, fields.max_attempts = format_time(NOW + tonumber(ARGV[9])), ARGV[6]
  ttl = ttl + math.floor(tonumber(ARGV[9]) / 1000)
end
if ARGV[10] ~= '' then fields.write_id = ARGV[10] end
if not KEYS[2] then
  store_version(record, id, held, fields, ARGV[7], ttl)
  return verdict
end

local celery = celery_key(id)
local places = {celery, result_key(id)}
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'unstaged' end
end
for i = 2, #KEYS do
  redis.call('RENAME', KEYS[i], places[i - 1])
  redis.call('PEXPIRE', places[i - 1], ttl)
end
store_version(record, id, held, fields, nil, ttl)
-- Celery's clients read no key again once they wait, so one that waits for just this task is told
-- the whole.
if redis.call('PUBSUB', 'NUMSUB', celery)[2] > 0 then
  redis.call('PUBLISH', celery, redis.call('GET', celery))
end
return verdict
