-- Answer a task's question, as a person does. One answer counts.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: ttl in ms; ARGV[3]: id of the question; ARGV[4]: the
-- value, ARGV[5]: who answers, as JSON fragments.
-- Returns {'queued', snapshot}; {'replayed', snapshot} where this was the answer; or {why not}:
-- 'unknown', 'not_asked', 'conflict' where another answer counted.
local record = KEYS[1]
local id = ARGV[1]
local ttl = ARGV[2]
local question = ARGV[3]
local value = ARGV[4]
local by = ARGV[5]
local held = load(record)
if not held.phase then return {'unknown'} end
if held.phase == 'waiting' and redis.call('HGET', record, 'asked') == question then
  return {'queued', answer_question(record, id, held, value, by, ttl)}
end
for _, kept in pairs(answers_of(record)) do
  if is_answer_to(kept, question) then
    if not has_value(kept, value) then return {'conflict'} end
    local _, json = render(id, held.fields)
    return {'replayed', json}
  end
end
return {'not_asked'}
