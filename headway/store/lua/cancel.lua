-- A person cancels a task. KEYS: record. ARGV: id, ttl ms, grace us: how long a run may take to end
-- by itself.
-- Returns {'cancelled' or 'cancelling', snapshot}, or {why not}.
local record, id = KEYS[1], ARGV[1]
local held = load(record)
if not held.phase then return {'unknown'} end
if FINAL[held.phase] then return {'final'} end
if not is_running(held) or not has_holder(id) then
  return {'cancelled', revoke(record, id, held, ARGV[2])}
end
if held.cancel then
  local _, json = render(held.fields)
  return {'cancelling', json}
end
redis.call('ZADD', KILL_DEADLINES, NOW + tonumber(ARGV[3]), id)
local changes = {phase = '"cancelling"', cancel = '1'}
return {'cancelling', store_version(record, id, held, changes, nil, ARGV[2])}
