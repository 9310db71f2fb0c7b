-- Have the messages of tasks that are still queued sent again: they are lost.
-- ARGV[1] on: ids.
-- Returns nothing.
local ids = ARGV
for _, id in ipairs(ids) do
  if redis.pcall('HGET', record_key(id), 'phase') == '"queued"' then
    redis.call('ZADD', OUTBOX, NOW, id)
  end
end
