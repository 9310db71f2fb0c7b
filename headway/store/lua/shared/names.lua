-- The names of keys and channels, each with the prefix of the project that calls; see keys.py.
--
-- The files of this folder are the head of the library, in the order that functions.py gives. Each
-- file beside the folder is the body of one function, called with KEYS and ARGV, and with the
-- prefix behind the arguments that it names; KEYS have theirs already.

local PREFIX  -- before each key and channel: of the project that calls
local CHANNEL

-- Shared sets of ids, by time: until when a worker holds what it runs, and what it has received and
-- not begun; when a message is to be sent; since when a task waits in a queue; until when a
-- cancelled run may end by itself.
local LEASES, RESERVED, OUTBOX, WAITING, KILL_DEADLINES
local QUEUES
-- Tasks whose question to a person has a reminder or a deadline, by the next of them.
local QUESTIONS
-- Tasks that have ended and whose chord, chain or error callbacks have yet to be told, by when
-- maintenance tells them.
local UNNOTIFIED
local NOTIFY_US = 30 * 1000000  -- how long a process that tells them has for it

-- Which data this is, how many sweeps it has seen, and while paused, since when and of what time.
local EPOCH, SWEEPS, PAUSED

-- Who sweeps, when the last sweep was, and that leases do not end yet.
local LEADER, LAST_SWEEP, GRACE

-- Which workers are there, until when, as '<id> <slots>', and of each one what else is known.
local WORKERS, WORKER

-- Which web processes have websockets, and of each one how many each client has there.
local SOCKETS

-- When a process last called the library of a digest, by which a version of Headway is told.
local LIBRARIES

-- Keys that held something else than Headway had put there; see damaged.lua.
local SET_ASIDE

local function set_prefix(prefix)
  if prefix == PREFIX then return end
  PREFIX = prefix
  CHANNEL = prefix .. 'flask-socketio:'
  LEASES = prefix .. 'headway:leases'
  RESERVED = prefix .. 'headway:reserved'
  OUTBOX = prefix .. 'headway:outbox'
  WAITING = prefix .. 'headway:waiting:'
  KILL_DEADLINES = prefix .. 'headway:kill_deadlines'
  QUEUES = prefix .. 'headway:queues'
  QUESTIONS = prefix .. 'headway:questions'
  UNNOTIFIED = prefix .. 'headway:unnotified'
  EPOCH = prefix .. 'headway:epoch'
  SWEEPS = prefix .. 'headway:generation'  -- how many there were, under the key's first name
  PAUSED = prefix .. 'headway:paused'
  LEADER = prefix .. 'headway:leader'
  LAST_SWEEP = prefix .. 'headway:last_sweep'
  GRACE = prefix .. 'headway:grace'
  WORKERS = prefix .. 'headway:workers'
  WORKER = prefix .. 'headway:worker:'
  SOCKETS = prefix .. 'headway:sockets'
  LIBRARIES = prefix .. 'headway:libraries'
  SET_ASIDE = prefix .. 'headway:damaged'
end

local function room(kind, name) return CHANNEL .. kind .. ':' .. name end
local function record_key(id) return PREFIX .. 'headway:task:' .. id end
local function sockets_key(process) return PREFIX .. 'headway:sockets:' .. process end
local function log_key(id) return PREFIX .. 'headway:log:' .. id end
local function stream_key(id, name) return PREFIX .. 'headway:stream:' .. id .. ':' .. name end
local function points_key(id) return PREFIX .. 'headway:points:' .. id end
local function result_key(id) return PREFIX .. 'headway:result:' .. id end

-- A list of tasks is named 'owner:<owner>', or 'parts:<id>' for the parts of a task.
local function list_key(list) return PREFIX .. 'headway:' .. list end
local function in_index(kind, list)
  local parent = string.match(list, '^parts:(.*)$')
  if parent then return PREFIX .. 'headway:part_' .. kind .. ':' .. parent end
  return PREFIX .. 'headway:' .. kind .. string.sub(list, #'owner:')
end
local function index_key(list) return in_index('index', list) end
local function phase_key(list, phase) return in_index('phase:' .. phase, list) end
-- Those of an owner's parts that have not ended, by the time (ms) until which they are kept.
local function open_parts_key(owner) return PREFIX .. 'headway:open_parts:' .. owner end

local function unique_key(owner, digest)
  return PREFIX .. 'headway:unique:' .. owner .. ':' .. digest
end

local lines_of
do

local function turns_key(owner, digest)
  return PREFIX .. 'headway:turns:' .. owner .. ':' .. digest
end
local function line_key(owner, digest)
  return PREFIX .. 'headway:line:' .. owner .. ':' .. digest
end

-- The lines of a task, in the order in which it waits in them; see turns.lua.
lines_of = function(line, owner)
  local lines = {}
  for limit, digest in string.gmatch(line or '', '(%d+) (%S+)') do
    local mark = string.sub(digest, 1, 1)
    local whose = mark == '@' and '' or owner
    lines[#lines + 1] = {limit = tonumber(limit), turns = turns_key(whose, digest),
      waiting = line_key(whose, digest), is_fair = mark == '@' or mark == '='}
  end
  return lines
end

end

local function celery_key(id) return PREFIX .. 'celery-task-meta-' .. id end
