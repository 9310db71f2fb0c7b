-- What maintenance does besides changing tasks: for a lost one see `requeue_lost` in transition.lua.

-- Pause all where a worker remembers a later state of this data: it was restored from a backup.
local function notice_restore(epoch, seen)
  local SWEEPS_LOST = 30  -- at most, where Redis has lost its last seconds only
  local sweeps = number(redis.call('GET', SWEEPS))
  if redis.call('GET', EPOCH) ~= epoch or sweeps + SWEEPS_LOST >= seen then return end
  local former = number(redis.call('HGET', PAUSED, 'seen'))
  redis.call('HSET', PAUSED, 'seen', integer(math.max(seen, former)))
  redis.call('HSETNX', PAUSED, 'since', NOW)
  redis.call('HSETNX', PAUSED, 'data_of', redis.call('GET', LAST_SWEEP) or NOW)
end

-- Call `handle` for each of these ids of a shared set. One whose record cannot be handled is removed
-- from the set, and does not stop the others. Returns {id, why, ...} of those removed.
local function for_each(set, ids, handle)
  local broken = {}
  for _, id in ipairs(ids) do
    local well, why = pcall(handle, id)
    if not well then
      redis.call('ZREM', set, id)
      broken[#broken + 1] = id
      broken[#broken + 1] = type(why) == 'table' and why.err or tostring(why)
    end
  end
  return broken
end

-- Whether a worker has swept within a minute; in an app without maintenance none does.
local function is_attended()
  return NOW - number(redis.call('GET', LAST_SWEEP)) <= 60000000
end
