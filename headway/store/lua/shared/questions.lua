-- Questions to people, and their answers.
--
-- The public field `question` is what is asked now, `asked` the id of the last question, and
-- `asked_as` its key. The field `answers` holds all answers, a JSON object by key, each as JSON text:
-- {"question_id", "by", "at", "value"}, and without a value for a question that went unanswered. The
-- field `remind` is there while a reminder is due before the deadline, which it holds: us, '' none.

local function answers_of(record)
  local is_sound, answers = pcall(cjson.decode, redis.call('HGET', record, 'answers') or '{}')
  return is_sound and type(answers) == 'table' and answers or {}
end

-- Keep an answer (`value` nil: none came in time), and have the task go on with it. Returns the
-- snapshot.
local function answer_question(record, id, held, value, by, ttl)
  local question, key = unpack(redis.call('HMGET', record, 'asked', 'asked_as'))
  local answers = answers_of(record)
  answers[key or ''] = '{"question_id":' .. cjson.encode(question or '') .. ',"by":' .. by ..
    ',"at":' .. format_time(NOW) .. (value and ',"value":' .. value or '') .. '}'
  redis.call('HSET', record, 'answers', cjson.encode(answers))
  redis.call('ZADD', OUTBOX, NOW, id)
  local fields = queued_fields('"Pending..."')
  local MAX_TOLD = 200  -- bytes of an answer that the history shows
  local told = value and #value <= MAX_TOLD and ',"value":' .. value or ''
  fields.answered = '{"by":' .. by .. told .. '}'
  return store_version(record, id, held, fields, celery_meta(id, 'PENDING'), ttl)
end

-- Ask a question again: its time is shown to all who watch.
local function remind(record, id, held, ttl)
  local deadline = tonumber(redis.call('HGET', record, 'remind'))
  redis.call('HDEL', record, 'remind')
  if deadline then
    redis.call('ZADD', QUESTIONS, integer(deadline), id)
    ttl = tonumber(ttl) + math.max(0, math.floor((deadline - NOW) / 1000))
  else
    redis.call('ZREM', QUESTIONS, id)
  end
  local now = '"reminded_at":' .. format_time(NOW) .. '}'
  local question = string.gsub(held.fields.question, '"reminded_at":null}$', now)
  store_version(record, id, held, {question = question}, nil, ttl)
end

-- Whether a kept answer is to the question with this id.
local function is_answer_to(kept, question)
  local begin = '{"question_id":' .. cjson.encode(question) .. ','
  return type(kept) == 'string' and string.sub(kept, 1, #begin) == begin
end

local function has_value(kept, value)
  local ending = ',"value":' .. value .. '}'
  return string.sub(kept, -#ending) == ending
end
