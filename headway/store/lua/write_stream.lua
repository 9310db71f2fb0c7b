-- Append text to a stream of a task and publish it.
-- KEYS[1]: the record; KEYS[2]: the stream. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's
-- delivery; ARGV[4]: name; ARGV[5]: how many bytes this attempt has written before; ARGV[6]: text;
-- ARGV[7]: '1' to close the stream; ARGV[8]: how many bytes it may have; ARGV[9]: ttl in ms;
-- ARGV[10]: name of the file that takes the whole text once the stream is full, '' for none;
-- ARGV[11]: what is noted of that file, a JSON object, '' until it is begun; ARGV[12]: '1' where it
-- could not be written; ARGV[13]: how many files a task may have; ARGV[14]: the stream's format, '' for
-- plain text.
-- Returns 'written'; 'cancelling' when it was and the task has to stop; 'full' when the stream takes
-- no more, 'spilled' when its file does; 'spills' where nothing is stored, as that file is to be
-- begun first; or why not.
local record = KEYS[1]
local key = KEYS[2]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local name = ARGV[4]
local before = tonumber(ARGV[5])
local piece = ARGV[6]
local closes = ARGV[7] == '1'
local most = tonumber(ARGV[8])
local ttl = ARGV[9]
local file = ARGV[10]
local noted = ARGV[11]
local has_failed = ARGV[12] == '1'
local most_files = tonumber(ARGV[13])
local format = ARGV[14]
local held = load(record, noted == '' and SHORT or nil)
if not held.phase then return 'unknown' end
local refused = refusal_of(held, token, generation)
if refused then return refused end

local all = streams_of(held.fields.streams)
local stream = find_stream(all, name)
local former = stream.state
local length = redis.call('STRLEN', key)
local lost = 0
local changes = {phase = held.fields.phase}
if former == 'spilled' and has_failed then
  stream.state = 'partial'
  piece = '[Some of the rest was not kept: the file ' .. file .. ' could not be written.]\n'
elseif is_full(stream) then
  return former == 'spilled' and 'spilled' or held.cancel and 'cancelling' or 'full'
else
  lost = stream.start + before - length
  if lost > 0 then
    local mark = '\n[' .. integer(lost) .. ' bytes are missing here: Redis has lost them.]\n'
    stream.epoch = integer(NOW)
    stream.start = length + #mark - before
    stream.saved = math.min(stream.saved, length)
    piece = mark .. piece
  else
    piece = string.sub(piece, 1 - lost)  -- what was stored although its reply was lost is there
  end
  stream.state = closes and 'closed' or 'open'
  if length + #piece > most then
    if file ~= '' and noted == '' and not has_failed then return 'spills' end
    local takes_rest = noted ~= '' and files.note(record, id, changes, file, noted, most_files)
    stream.state = takes_rest and 'spilled' or 'full'
    piece = string.sub(piece, 1, whole_characters(piece, most - length)) ..
      end_of_stream(most, file, takes_rest)
  end
end
if piece ~= '' then
  redis.call('APPEND', key, piece)
  redis.call('PEXPIRE', key, redis.call('PTTL', record))
end
if piece ~= '' or stream.state ~= former then publish_stream(id, stream, length, piece, format) end
local is_new_format = format ~= '' and before == 0 and note_format(record, name, format)
if stream.state ~= former or lost > 0 or is_new_format then
  changes.streams = streams_field(all)
  store_version(record, id, held, changes, nil, ttl)
end
if stream.state == 'spilled' then return 'spilled' end
return held.cancel and 'cancelling' or is_full(stream) and 'full' or 'written'
