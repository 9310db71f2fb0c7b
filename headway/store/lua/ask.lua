-- Ask a person, for a run that ends with it: its task waits for the answer.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's delivery; ARGV[4]:
-- id of the question, ARGV[5]: its key, see questions.lua; ARGV[6]: text, ARGV[7]: choices, ARGV[8]:
-- schema, as JSON fragments; ARGV[9]: us until its deadline ('' none); ARGV[10]: the message that is
-- kept; ARGV[11]: ttl in ms; ARGV[12]: us until a reminder, before the deadline ('' none).
-- Returns 'waiting', also where it was asked before; 'cancelling' where the task has to stop instead;
-- 'expired' without a record; or why not.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local question = ARGV[4]
local key = ARGV[5]
local words = ARGV[6]
local choices = ARGV[7]
local schema = ARGV[8]
local timeout = tonumber(ARGV[9])
local message = ARGV[10]
local ttl = tonumber(ARGV[11])
local remind_after = tonumber(ARGV[12])
-- Sent again because its reply was lost: the answer may be there by now.
if redis.call('HGET', record, 'asked') == question then return 'waiting' end
local held = load(record)
local refused = refusal_of(held, token, generation)
if refused then return refused end
if not held.phase then return 'expired' end
if held.cancel then return 'cancelling' end

settle(held.fields.delivery)
local expires_at = 'null'
if timeout then
  ttl = ttl + math.floor(timeout / 1000)
  expires_at = format_time(NOW + timeout)
end
local fields = queued_fields('""')
fields.phase = '"waiting"'
fields.question = '{"id":' .. cjson.encode(question) .. ',"text":' .. words .. ',"choices":' ..
  choices .. ',"schema":' .. schema .. ',"asked_at":' .. format_time(NOW) .. ',"expires_at":' ..
  expires_at .. ',"reminded_at":null}'
fields.asked = question
fields.asked_as = key
fields.message = message
release_fence(held, token, fields)
store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
redis.call('HDEL', record, 'remind')
if remind_after then
  redis.call('HSET', record, 'remind', timeout and integer(NOW + timeout) or '')
end
local due = remind_after or timeout
if due then redis.call('ZADD', QUESTIONS, integer(NOW + due), id) end
return 'waiting'
