-- Tasks whose message is lost are sent again. ARGV: ids.
for _, id in ipairs(ARGV) do
  if redis.pcall('HGET', record_key(id), 'phase') == '"queued"' then
    redis.call('ZADD', OUTBOX, NOW, id)
  end
end
