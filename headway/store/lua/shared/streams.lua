-- Streams: texts that a task's runs write, each a string of UTF-8 beside the record.
--
-- The record's field `streams` says which there are, in the order in which they began: for each
-- '<name> <epoch> <start> <saved> <state>;'. A reader that has text of another epoch reads all again:
-- some was cut since (see `cut_streams`). `start` is where the present attempt's text begins, and
-- `saved` how long the stream was at the last save, in bytes. `state` is 'open', 'closed', 'full',
-- 'spilled' where a file of the task, '<name>.txt', has the whole text, or 'partial' where that file
-- lacks some of it.
--
-- The field `stream_formats` has for each that is no plain text '<name> <format>;'.

-- The formats of a task's streams by name; one that is not there is plain text.
local function formats_of(field)
  local all = {}
  for name, format in string.gmatch(field or '', '([%w_.-]+) (%a+);') do
    all[name] = format == 'markdown' and format
  end
  return all
end

-- Note a stream's format; return whether that is news.
local function note_format(record, name, format)
  local field = redis.call('HGET', record, 'stream_formats') or ''
  if formats_of(field)[name] == format then return false end
  redis.call('HSET', record, 'stream_formats', field .. name .. ' ' .. format .. ';')
  return true
end

local function streams_of(field)
  local all = {}
  for name, epoch, start, saved, state in
    string.gmatch(field or '', '([%w_.-]+) (%d+) (-?%d+) (%d+) (%a+);') do
    all[#all + 1] = {name = name, epoch = epoch, start = tonumber(start), saved = tonumber(saved),
      state = state}
  end
  return all
end

local function streams_field(all)
  local parts = {}
  for i, stream in ipairs(all) do
    parts[i] = stream.name .. ' ' .. stream.epoch .. ' ' .. integer(stream.start) .. ' ' ..
      integer(stream.saved) .. ' ' .. stream.state .. ';'
  end
  return table.concat(parts)
end

-- The stream of this name; if there is none, a new one is added to the list.
local function find_stream(all, name)
  for _, stream in ipairs(all) do
    if stream.name == name then return stream end
  end
  local stream = {name = name, epoch = integer(NOW), start = 0, saved = 0, state = 'new'}
  all[#all + 1] = stream
  return stream
end

local function has_file(stream) return stream.state == 'spilled' or stream.state == 'partial' end

-- Whether a stream takes no more.
local function is_full(stream) return stream.state == 'full' or has_file(stream) end

-- The last line of a full stream. `file` is the name of the file that has the rest ('' none), and
-- `takes_rest` whether it has.
local function end_of_stream(most, file, takes_rest)
  local why = ''
  if file ~= '' then
    why = takes_rest and ' The whole text is the file ' .. file .. '.' or
      ' The rest was not kept: the file ' .. file .. ' could not be written.'
  end
  return '\n[This stream ends here: its limit is ' .. integer(most) .. ' bytes.' .. why .. ']\n'
end

-- A task's streams as a snapshot shows them, and how long they are together; nil where there are
-- none.
local function render_streams(id, field, has_ended)
  if not field or field == '' then return '{}', nil end
  local formats = formats_of(redis.call('HGET', record_key(id), 'stream_formats') or nil)
  local parts, total = {}, 0
  for i, stream in ipairs(streams_of(field)) do
    local length = redis.call('STRLEN', stream_key(id, stream.name))
    total = total + length
    parts[i] = '"' .. stream.name .. '":{"length":' .. integer(length) .. ',"closed":' ..
      tostring(has_ended or stream.state ~= 'open') .. ',"epoch":' .. stream.epoch ..
      (formats[stream.name] and ',"format":"' .. formats[stream.name] .. '"' or '') ..
      (stream.state == 'spilled' and ',"file":"' .. stream.name .. '.txt"}' or '}')
  end
  return '{' .. table.concat(parts, ',') .. '}', integer(total)
end

-- The length to which so many bytes of a text may be cut, so that each character stays whole.
local function whole_characters(text, bytes)
  while bytes > 0 do
    local following = string.byte(text, bytes + 1)
    if not following or following < 128 or following > 191 then break end
    bytes = bytes - 1
  end
  return math.max(0, bytes)
end

-- `format` is '' for plain text, and where it is known already.
local function publish_stream(id, stream, offset, text, format)
  local payload = '{"task_id":"' .. id .. '","name":"' .. stream.name .. '","offset":' ..
    integer(offset) .. ',"text":' .. cjson.encode(text) .. ',"closed":' ..
    tostring(stream.state ~= 'open') .. ',"epoch":' .. stream.epoch ..
    (format ~= '' and ',"format":"' .. format .. '"' or '') .. '}'
  redis.call('PUBLISH', CHANNEL .. 'task:' .. id, '["stream",' .. payload .. ']')
end

-- The field once all that the streams hold is saved; nil where they hold text that does not belong to
-- the save. `written` has '<stream> <bytes>;' for each that this attempt has written by the save, -1
-- bytes for one that takes no more.
local function saved_streams(id, field, written)
  local all, bytes_of = streams_of(field), {}
  for name, bytes in string.gmatch(written, '([%w_.-]+) (-?%d+);') do bytes_of[name] = tonumber(bytes) end
  for _, stream in ipairs(all) do
    stream.saved = redis.call('STRLEN', stream_key(id, stream.name))
    local bytes = bytes_of[stream.name] or 0
    if bytes >= 0 and stream.saved > stream.start + bytes then return nil end
  end
  return streams_field(all)
end

-- Cut each stream back to the last save as a new attempt claims the task, or to nothing for another
-- task under its id. Returns the new field, and the names of the files that hold text which was cut.
local function cut_streams(id, field, is_another)
  local all, outdated = streams_of(field), {}
  for _, stream in ipairs(all) do
    if is_another then stream.saved = 0 end
    local key = stream_key(id, stream.name)
    if redis.call('STRLEN', key) > stream.saved then
      local kept = stream.saved > 0 and redis.call('GETRANGE', key, 0, stream.saved - 1) or ''
      if kept == '' then
        redis.call('DEL', key)
      else
        redis.call('SET', key, kept, 'KEEPTTL')
      end
      stream.epoch = integer(NOW)
      if has_file(stream) then outdated[#outdated + 1] = stream.name .. '.txt' end
      stream.state = 'open'
      publish_stream(id, stream, stream.saved, '', '')
    end
    stream.start = stream.saved
  end
  return streams_field(all), outdated
end

local function delete_streams(id, field)
  for _, stream in ipairs(streams_of(field)) do redis.call('DEL', stream_key(id, stream.name)) end
end
