-- Release the tasks that a stopping worker runs, which uses up no attempt; their messages go back to
-- the broker by themselves.
-- ARGV[1]: ttl in ms; ARGV[2] on: id and token of each run, in turn.
-- Returns nothing.
local ttl = ARGV[1]
local FIRST = 2
for i = FIRST, #ARGV, 2 do
  local token = ARGV[i + 1]
  for_each(LEASES, {ARGV[i]}, function(id)
    local record = record_key(id)
    local held = load(record)
    if not is_running(held) or held.fence ~= token then return end
    if held.cancel then
      revoke(record, id, held, ttl)
    else
      requeue(record, id, held, token, going_on(record, 'Goes on ') or '"Pending..."', ttl)
      redis.call('ZREM', OUTBOX, id)  -- of a successor that it has asked for
    end
  end)
end
