-- Find, of what waits longest in each queue, what should be with the broker: no worker has it and
-- nobody is to send it.
-- ARGV[1]: how many of each queue.
-- Returns {queue, {id, ...}, ...}. What came by an exchange lies in a queue of unknown name.
local limit = tonumber(ARGV[1])
local found = {}
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGE', WAITING .. queue, 0, limit - 1)) do
    local record = record_key(id)
    if redis.pcall('HGET', record, 'phase') ~= '"queued"' then
      redis.call('ZREM', WAITING .. queue, id)  -- forgotten, or expired
    elseif tonumber(redis.call('ZSCORE', RESERVED, id) or 0) <= NOW
      and not redis.call('ZSCORE', OUTBOX, id) then
      if not is_only_sent(record, 'queued') then ids[#ids + 1] = id end
    end
  end
  if #ids > 0 then
    found[#found + 1] = queue
    found[#found + 1] = ids
  end
end
return found
