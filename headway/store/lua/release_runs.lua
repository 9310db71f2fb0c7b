-- Release the tasks that a stopping worker runs, which uses up no attempt; their messages go back to
-- the broker by themselves, unless it has them no more.
-- ARGV[1]: ttl in ms; ARGV[2] on: of each run, in turn, its id, its token, and '1' where its message has to
-- be sent again, else ''.
-- Returns nothing.
local ttl = ARGV[1]
local FIRST = 2
for i = FIRST, #ARGV, 3 do
  local token = ARGV[i + 1]
  local is_sent_again = ARGV[i + 2] == '1'
  for_each(LEASES, {ARGV[i]}, function(id)
    local record = record_key(id)
    local held = load(record)
    if not is_running(held) or held.fence ~= token then return end
    if held.cancel then
      revoke(record, id, held, ttl)
    else
      requeue(record, id, held, token, going_on(record, 'Goes on ') or '"Pending..."', ttl)
      redis.call('ZREM', OUTBOX, id)  -- of a successor that it has asked for
      if is_sent_again then redis.call('ZADD', OUTBOX, NOW, id) end
    end
  end)
end
