-- Read what earlier runs of a task saved and were answered, for the run that has it now.
-- KEYS[1]: the record. ARGV[1]: token, ARGV[2]: generation of the run's delivery.
-- Returns {'read', what was saved, '' for nothing, the answers; see questions.lua}, or {why not}.
local record = KEYS[1]
local token = ARGV[1]
local generation = tonumber(ARGV[2])
local refused = refusal_of(load(record), token, generation)
if refused then return {refused} end
return {'read', redis.call('HGET', record, 'saved') or '', redis.call('HGET', record, 'answers') or '{}'}
