-- Read which tasks of a line are to be sent now that one of it has ended.
-- KEYS[1]: the record of the one that has ended.
-- Returns their ids, {} where the task has no line.
local record = KEYS[1]
local line, owner = unpack(redis.call('HMGET', record, 'line', 'owner'))
local digest = string.match(line or '', '^%d+ (%S+)$')
local due = {}
if not digest then return due end
for _, id in ipairs(redis.call('ZRANGE', turns_key(owner or '', digest), 0, -1)) do
  if tonumber(redis.call('ZSCORE', OUTBOX, id) or 'inf') <= NOW then due[#due + 1] = id end
end
return due
