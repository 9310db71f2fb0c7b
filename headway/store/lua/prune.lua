-- An owner's list forgets tasks that have expired. KEYS: owner's list. ARGV: ids.
for _, id in ipairs(ARGV) do
  if redis.call('EXISTS', record_key(id)) == 0 then redis.call('ZREM', KEYS[1], id) end
end
