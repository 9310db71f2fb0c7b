-- Turns: of the tasks of one line, so many may be with the workers at a time; the others wait.
--
-- A line has two sets of ids: of those that have a turn, by time, and of those that wait for one, by
-- priority and time. A turn counts while its task is open, so nothing has to give it back. A
-- record's field `line` holds '<limit> <digest>' for each line in which the task waits, one after
-- the other; `line_queue` is the queue that its message goes to when its last turn comes, and
-- `in_line` is '1' while it waits for that. A digest after '=' or '@' is of a fair line, of which a
-- task has a turn only while it is with the workers; after '@' it is a line of all owners.

-- us: when what waits is looked at again, should nobody have passed a turn on
local RECHECK_TURN = HOUR

local takes_turn, leave_lines
do

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

-- Whether a task whose time has come may be sent: it has each of its turns, or gets it. Else it
-- waits.
takes_turn = function(owner, line, id, priority, ttl)
  for _, each in ipairs(lines_of(line, owner)) do
    if not redis.call('ZSCORE', each.turns, id) then
      redis.call('ZADD', each.waiting, 'NX', place(priority), id)
      pass_turns(each.limit, each.turns, each.waiting, id)
    end
    keep_for(each.turns, tonumber(ttl) + UNENDED)
    keep_for(each.waiting, tonumber(ttl) + UNENDED)
    if not redis.call('ZSCORE', each.turns, id) then return false end
  end
  return true
end

-- Phases of an open task in which no worker is at it, nor takes it next.
local RESTS = {scheduled = true, retrying = true, waiting = true}

-- Take a task that has ended out of its lines, whose next ones get its turns. One that is to go on
-- later leaves the fair ones alone.
leave_lines = function(record, id, owner, phase)
  if not FINAL[phase] and not RESTS[phase] then return end
  for _, each in ipairs(lines_of(redis.call('HGET', record, 'line'), owner)) do
    if FINAL[phase] or each.is_fair then
      redis.call('ZREM', each.waiting, id)
      if redis.call('ZREM', each.turns, id) == 1 then
        pass_turns(each.limit, each.turns, each.waiting)
      end
    end
  end
end

end

-- Have a new record be one of these lines, '' for none.
local function join_line(fields, line, queue)
  if line == '' then return end
  fields.line = line
  fields.line_queue = queue
end

-- What a task shows while it waits in line: it is in no queue.
local function waiting_fields()
  return {phase = '"queued"', status = '"Waits for its turn"', queue = '', current = '0', total = '1',
    step = 'null', error = 'null', scheduled_for = 'null', max_fraction = '0', in_line = '1'}
end
