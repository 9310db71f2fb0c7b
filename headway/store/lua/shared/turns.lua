-- Turns: of the tasks of one line, so many may be with the workers at a time; the others wait.
--
-- A line has two sets of ids: of those that have a turn, by time, and of those that wait for one, by
-- priority and time. A turn counts while its task is open, so nothing has to give it back. A
-- record's field `line` is '<limit> <digest>', `line_queue` the queue that its message goes to when
-- its turn comes, and `in_line` is '1' while it waits for that.

-- us: when what waits is looked at again, should nobody have passed a turn on
local LOOK_AGAIN = HOUR

local function is_open(id)
  local phase = text(redis.call('HGET', record_key(id), 'phase') or nil)
  return STATE[phase] and not FINAL[phase]
end

-- Give the turns that are free to those that have waited longest, and have these sent; `own` is the
-- task that the caller sends itself, whose record may yet have to be written.
local function pass_turns(limit, turns, waiting, own)
  for _, id in ipairs(redis.call('ZRANGE', turns, 0, -1)) do
    if id ~= own and not is_open(id) then redis.call('ZREM', turns, id) end
  end
  while redis.call('ZCARD', turns) < limit do
    local id = redis.call('ZPOPMIN', waiting)[1]
    if not id then return end
    if id == own or is_open(id) then redis.call('ZADD', turns, NOW, id) end
    if id ~= own then redis.call('ZADD', OUTBOX, NOW, id) end
  end
end

-- Whether a task whose time has come may be sent: it has a turn, or gets one. Else it waits.
local function takes_turn(owner, line, id, priority, ttl)
  local limit, digest = string.match(line or '', '^(%d+) (%S+)$')
  if not limit then return true end
  local turns = turns_key(owner, digest)
  local waiting = line_key(owner, digest)
  if not redis.call('ZSCORE', turns, id) then
    redis.call('ZADD', waiting, 'NX', place(priority), id)
    pass_turns(tonumber(limit), turns, waiting, id)
  end
  keep_for(turns, tonumber(ttl) + UNENDED)
  keep_for(waiting, tonumber(ttl) + UNENDED)
  return redis.call('ZSCORE', turns, id)
end

-- Take a task that has ended out of its line, whose next one gets its turn.
local function leave_line(record, id, owner)
  local line = redis.call('HGET', record, 'line')
  local limit, digest = string.match(line or '', '^(%d+) (%S+)$')
  if not limit then return end
  local turns = turns_key(owner, digest)
  local waiting = line_key(owner, digest)
  redis.call('ZREM', waiting, id)
  if redis.call('ZREM', turns, id) == 1 then pass_turns(tonumber(limit), turns, waiting) end
end

-- Have a new record be one of a line, '' for none.
local function join_line(fields, line, queue)
  if line == '' then return end
  fields.line = line
  fields.line_queue = queue
end

-- What a task shows while it waits in line: it is in no queue.
local function waiting_fields()
  return {phase = '"queued"', status = '"Waits for its turn"', queue = '', scheduled_for = 'null',
    in_line = '1'}
end
