-- Devices: browsers that are told by Web Push of an owner's tasks while no page of the owner is open.
--
-- An owner's devices are a hash: by the digest of a subscription's endpoint, the subscription, a
-- JSON object that begins with the time at which it was noted. The key `device` of a digest says
-- whose it is: a browser is one owner's at a time.
--
-- News are tasks of which there is something to tell: a shared set, by when a worker may take each.
--
-- The key `told` of an owner counts what was taken of the owner's, within an hour.
--
-- In one table, since a Lua function, and so the library, has at most 200 local names.

local devices = {
  GRACE = 3 * 1000000,  -- us for a page that is loaded again to be back
  LASTS = HOUR,  -- after which nobody is told any more
  MOST = 60,  -- that an owner is told of in an hour
}

function devices.news() return PREFIX .. 'headway:news' end
function devices.of(owner) return PREFIX .. 'headway:devices:' .. owner end
function devices.key(digest) return PREFIX .. 'headway:device:' .. digest end

function devices.forget(owner, digest)
  redis.call('HDEL', devices.of(owner), digest)
  if redis.call('GET', devices.key(digest)) == owner then redis.call('DEL', devices.key(digest)) end
end

-- Whether a page of an owner's is open: its web process, whichever it is, hears the owner's room.
function devices.has_page(owner)
  return redis.call('PUBSUB', 'NUMSUB', room('owner', owner))[2] > 0
end

-- Whether an owner may be told of one more task; counts it.
function devices.may_tell(owner)
  local told = PREFIX .. 'headway:told:' .. owner
  local count = number(redis.call('GET', told)) + 1
  if count > devices.MOST then return false end
  if count == 1 then
    redis.call('SET', told, integer(count), 'PX', integer(HOUR / 1000))
  else
    redis.call('SET', told, integer(count), 'KEEPTTL')
  end
  return true
end

-- Note that a task's owner is to be told of it, unless one of the owner's pages does.
function devices.note_news(id, owner)
  if owner == '' or redis.call('EXISTS', devices.of(owner)) == 0 or devices.has_page(owner) then
    return
  end
  redis.call('ZREMRANGEBYSCORE', devices.news(), '-inf', integer(NOW - devices.LASTS))
  redis.call('ZADD', devices.news(), integer(NOW + devices.GRACE), id)
end

-- Whether a task's owner is told of a change: an end, a question or its reminder; of a part's end its
-- parent tells.
function devices.is_news(held, changes, phase)
  if changes.question and changes.question ~= 'null' then return true end
  return FINAL[phase] and phase ~= held.phase and not held.fields.parent_id
end
