-- What a task's runs have saved, and how it says that it goes on there.
--
-- The record's field `saved` is the last save, `saved_percent` where the bar was then ('' unknown),
-- `saved_by` the token of the run that saved something new last, and `saved_as` '<token> <number>' of
-- the last save: which one of its run it was.

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

local take_saved, forget_saved, is_late_save
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
take_saved = function(source, id)
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

forget_saved = function(record)
  for _, field in ipairs(effect_fields(record)) do redis.call('HDEL', record, field) end
  redis.call('HDEL', record, 'saved', 'saved_percent', 'saved_by', 'saved_as', 'effects', 'answers')
end

-- Whether a save arrives too late to be stored: since it was sent its run has saved again, or has written
-- text that does not belong to it. If it is not late, returns also the record's field `streams` as the
-- save leaves it. `streams` is that field now (nil for none), `last` the field `saved_as`, `number` which
-- save of its run it is (0 unknown), `written` how much text belongs to it, see saved_streams.
is_late_save = function(id, streams, last, token, number, written)
  local is_own = number > 0 and last and string.sub(last, 1, #token) == token
  local newest = is_own and tonumber(string.sub(last, #token + 2))
  if newest and newest >= number then return true end
  if not streams then return false end
  streams = saved_streams(id, streams, number > 0 and written or nil)
  return not streams, streams
end

end
