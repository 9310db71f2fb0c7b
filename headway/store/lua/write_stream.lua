-- Append text to a stream of a task and publish it.
-- KEYS[1]: the record; KEYS[2]: the stream. ARGV[1]: id; ARGV[2]: token, ARGV[3]: order of the run's
-- delivery; ARGV[4]: name; ARGV[5]: how many bytes this attempt has written before; ARGV[6]: text;
-- ARGV[7]: '1' to close the stream; ARGV[8]: how many bytes it may have; ARGV[9]: ttl in ms;
-- ARGV[10]: name of the file that has the whole text once the stream is full, '' for none.
-- Returns 'written'; 'cancelling' when it was and the task has to stop; 'full' when the stream takes
-- no more; or why not.
local record = KEYS[1]
local key = KEYS[2]
local id = ARGV[1]
local token = ARGV[2]
local order = tonumber(ARGV[3])
local name = ARGV[4]
local before = tonumber(ARGV[5])
local piece = ARGV[6]
local closes = ARGV[7] == '1'
local most = tonumber(ARGV[8])
local ttl = ARGV[9]
local file = ARGV[10]
local held = load(record, SHORT)
if not held.phase then return 'unknown' end
local refused = refusal_of(held, token, order)
if refused then return refused end

local all = streams_of(held.fields.streams)
local stream = find_stream(all, name)
local former = stream.state
if is_full(stream) then return held.cancel and 'cancelling' or 'full' end
local length = redis.call('STRLEN', key)
local lost = stream.start + before - length
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
  local mark = '\n[This stream ends here: its limit is ' .. integer(most) .. ' bytes.' ..
    (file ~= '' and ' The whole text is the file ' .. file .. '.]\n' or ']\n')
  piece = string.sub(piece, 1, whole_characters(piece, most - length)) .. mark
  stream.state = file ~= '' and 'spilled' or 'full'
end
if piece ~= '' then
  redis.call('APPEND', key, piece)
  redis.call('PEXPIRE', key, redis.call('PTTL', record))
end
if piece ~= '' or stream.state ~= former then publish_stream(id, stream, length, piece) end
local field = streams_field(all)
if stream.state ~= former or lost > 0 then
  local changes = {phase = held.fields.phase, streams = field}
  store_version(record, id, held, changes, nil, ttl)
end
if held.cancel then return 'cancelling' end
return is_full(stream) and 'full' or 'written'
