-- The past of a task: its changes of phase, and why its newest attempts failed.

local note_history, note_traceback, forget_tracebacks
do  -- see points.lua

-- Add a change of phase to a task's history: JSON arrays, one a line, the newest that fit. Each holds
-- the time in ms since 1970, phase, attempt, status, and as far as one of them is not null the error,
-- the worker, the time until which it waits and who answered its question, see questions.lua.
local MAX_HISTORY = 8192  -- bytes
note_history = function(fields, changes, phase)
  local function now(name) return changes[name] or fields[name] or 'null' end
  local waits = phase == 'scheduled' or phase == 'retrying'
  local due = waits and now('scheduled_for') or 'null'
  local worker = phase == 'running' and now('worker') or 'null'
  local event = {integer(math.floor(NOW / 1000)), '"' .. phase .. '"', now('attempt'), now('status'), now('error'),
    worker, due, changes.answered}
  while event[#event] == 'null' do event[#event] = nil end
  event = '[' .. table.concat(event, ',') .. ']'
  changes.answered = nil
  local history = fields.history and fields.history .. '\n' .. event or event
  while #history > MAX_HISTORY and string.find(history, '\n', 1, true) do
    history = string.match(history, '\n(.*)')
  end
  changes.history = history
end

-- Keep why an attempt failed, as JSON, of the newest attempts; what fails comes as `traceback`.
local MAX_TRACEBACKS = 10
note_traceback = function(record, held, changes)
  if not changes.traceback then return end
  redis.call('HDEL', record, 'traceback:' .. integer(held.attempt - MAX_TRACEBACKS))
  changes['traceback:' .. integer(held.attempt)] = changes.traceback
  changes.traceback = nil
end

forget_tracebacks = function(record, attempt)
  for past = 0, MAX_TRACEBACKS do
    redis.call('HDEL', record, 'traceback:' .. integer(attempt - past))
  end
end

end
