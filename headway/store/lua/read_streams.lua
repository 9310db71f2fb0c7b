-- Read the streams of a task, each from an offset on.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: name of the one stream ('' all); ARGV[3]: bytes of text
-- to return at most; ARGV[4] on: name, offset in bytes and epoch ('' any) of what the reader has of
-- a stream, in turn. What it has of another epoch, or lacks here, is read from the beginning.
-- Returns for each stream {name, epoch, length, '1' if closed, offset, text}.
local record = KEYS[1]
local id = ARGV[1]
local only = ARGV[2]
local room = tonumber(ARGV[3])
local FIRST = 4
local had = {}
for i = FIRST, #ARGV, 3 do had[ARGV[i]] = {offset = tonumber(ARGV[i + 1]), epoch = ARGV[i + 2]} end
local held = load(record, SHORT)
local has_ended = FINAL[held.phase]
local found = {}
for _, stream in ipairs(streams_of(held.fields.streams)) do
  if only == '' or only == stream.name then
    local key = stream_key(id, stream.name)
    local length = redis.call('STRLEN', key)
    local known = had[stream.name]
    local is_current = known and (known.epoch == '' or known.epoch == stream.epoch)
    local offset = is_current and math.min(known.offset, length) or 0
    -- Not from within a character.
    local lead = redis.call('GETRANGE', key, math.max(0, offset - 3), offset)
    offset = math.max(0, offset - 3) + whole_characters(lead, math.min(3, offset))
    local text = redis.call('GETRANGE', key, offset, offset + room)
    if #text > room then text = string.sub(text, 1, whole_characters(text, room)) end
    room = room - #text
    local closed = (has_ended or stream.state ~= 'open') and '1' or '0'
    found[#found + 1] = {stream.name, stream.epoch, length, closed, offset, text}
  end
end
return found
