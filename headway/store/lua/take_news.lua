-- Take the tasks of which there is something to tell: each is told of by its taker alone.
-- ARGV[1]: how many at most.
-- Returns {id, owner, ...} of those whose owner has no page open and was not told of too many.
local limit = tonumber(ARGV[1])
local taken = {}
local ids = redis.call('ZRANGEBYSCORE', devices.news(), '-inf', integer(NOW), 'LIMIT', 0, limit)
for_each(devices.news(), ids, function(id)
  redis.call('ZREM', devices.news(), id)
  local owner = redis.call('HGET', record_key(id), 'owner')
  if owner and not devices.has_page(owner) and devices.may_tell(owner) then
    taken[#taken + 1] = id
    taken[#taken + 1] = owner
  end
end)
return taken
