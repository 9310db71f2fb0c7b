-- What a task's runs have saved, and how it says that it goes on there.
--
-- The record's field `saved` is the last save, `saved_percent` where the bar was then ('' unknown). A
-- save is JSON that begins with its `number`, which grows from save to save of a task, and `by`, the
-- token of the run that saved something new last.

-- Return the bar's percent for these numbers, '' if it is unknown.
local function percent_of(current, total)
  local part = current and total and total > 0 and current / total
  return part and integer(math.min(99, math.floor(100 * part))) or ''
end

-- The status of a task that goes on at its last save, after these words; nil without a save.
local function going_on(record, words)
  local saved, percent = unpack(redis.call('HMGET', record, 'saved', 'saved_percent'))
  if not saved then return nil end
  local where = percent and percent ~= '' and 'at ' .. percent .. ' %' or 'where it was'
  return '"' .. words .. where .. '"'
end

-- Where a task that has these changes is started again if it goes on: null without a save, else an
-- object with the percent that the bar shows there, null unknown.
local function resume_point(record, changes)
  local saved, percent = unpack(redis.call('HMGET', record, 'saved', 'saved_percent'))
  if not (changes.saved or saved) then return 'null' end
  percent = changes.saved_percent or percent
  return '{"percent":' .. (percent and percent ~= '' and percent or 'null') .. '}'
end

local saves = {}
do  -- see points.lua

-- The fields of a record's effects; see once.lua.
local function effect_fields(record)
  local found = {}
  if redis.call('HEXISTS', record, 'effects') == 0 then return found end
  for _, field in ipairs(redis.call('HKEYS', record)) do
    if string.sub(field, 1, 7) == 'effect:' then found[#found + 1] = field end
  end
  return found
end

-- The saved fields of a new record that goes on where another task was saved.
function saves.take(source, id)
  local saved, percent, streams, answers, formats = unpack(redis.call('HMGET', record_key(source),
    'saved', 'saved_percent', 'streams', 'answers', 'stream_formats'))
  if not saved then return {} end
  for _, stream in ipairs(streams_of(streams or '')) do
    local text = redis.call('GET', stream_key(source, stream.name))
    if text then redis.call('SET', stream_key(id, stream.name), text) end
  end
  for _, field in ipairs(effect_fields(record_key(source))) do
    redis.call('HSET', record_key(id), 'effects', 1, field,
      redis.call('HGET', record_key(source), field))
  end
  return {continues = source, saved = saved, saved_percent = percent or '', streams = streams or '',
    answers = answers or nil, stream_formats = formats or nil}
end

function saves.forget(record)
  for _, field in ipairs(effect_fields(record)) do redis.call('HDEL', record, field) end
  redis.call('HDEL', record, 'saved', 'saved_percent', 'effects', 'answers')
end

local function number_of(save)
  return tonumber(string.match(save or '', '^{"number":(%d+)')) or 0
end

-- The run that saved something new last, by its token; nil for none.
function saves.by(save) return string.match(save or '', '^{"number":%d+,"by":"(.-)"') end

-- Whether a save arrives too late to be stored: since it was sent its run has saved again, or has written
-- text that does not belong to it. If it is not late, returns also the record's field `streams` as the
-- save leaves it. `streams` is that field now (nil for none), `last` what was saved last, `written` how
-- much text belongs to it, see saved_streams.
function saves.is_late(id, streams, last, save, written)
  if number_of(last) >= number_of(save) then return true end
  if not streams then return false end
  streams = saved_streams(id, streams, written)
  return not streams, streams
end

end
