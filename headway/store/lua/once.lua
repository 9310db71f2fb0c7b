-- Begin or end an effect that a task has once.
-- KEYS[1]: the record. ARGV[1]: token, ARGV[2]: generation of the run's delivery; ARGV[3]: name of the
-- effect; ARGV[4]: id of this call; ARGV[5]: what happens: 'begin', 'look' (whether it could), 'begin
-- again' (whatever became of it), 'done' or 'failed'; ARGV[6]: the result of one that is done, as
-- JSON.
-- The field `effect:<name>` is 'begun <call>' or 'done <result>': a field of its own for each, so
-- that the 10,000th costs no more than the first. A record that has any has the field `effects`.
-- Returns {'written'}; {'done', result}; {'unknown'} where another call began it and did not end it;
-- {'cancelling'} where the task has to stop instead; {'expired'} without a record; or {why not}.
local record = KEYS[1]
local token = ARGV[1]
local generation = tonumber(ARGV[2])
local field = 'effect:' .. ARGV[3]
local call = 'begun ' .. ARGV[4]
local what = ARGV[5]
local result = ARGV[6]
local known = redis.call('HGET', record, field)
if what == 'done' or what == 'failed' then
  -- Also of a run that has lost its task meanwhile: what has happened has happened.
  if known ~= call then return {'stale'} end
  if what == 'failed' then
    redis.call('HDEL', record, field)
    return {'written'}
  end
  call = 'done ' .. result
else
  local held = load(record)
  local refused = refusal_of(held, token, generation)
  if refused then return {refused} end
  if not held.phase then return {'expired'} end
  if known and string.sub(known, 1, 5) == 'done ' then return {'done', string.sub(known, 6)} end
  if known and known ~= call and what ~= 'begin again' then return {'unknown'} end
  if held.cancel then return {'cancelling'} end
  if what == 'look' then return {'written'} end
end
redis.call('HSET', record, 'effects', 1, field, call)
return {'written'}
