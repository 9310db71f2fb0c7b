-- Ask runs of a stopping worker to end at their next save, see write.lua.
-- ARGV[1] on: id and token of each run, in turn.
-- Returns nothing.
local runs = ARGV
for i = 1, #runs, 2 do
  local token = runs[i + 1]
  for_each(LEASES, {runs[i]}, function(id)
    local record = record_key(id)
    local held = load(record)
    if is_running(held) and held.fence == token then
      redis.call('HSET', record, 'stop_requested', token)
    end
  end)
end
