-- How a record lies in Redis, and how its snapshot is put together.
--
-- A record is a hash. Its public fields hold JSON fragments, so that a snapshot is a concatenation:
-- decoding and encoding with cjson would turn [] into {} and a version into 1.7e+15.

-- What can be derived is not stored: the id is in the key, Celery's state follows from the phase. The
-- JSON of the STATIC members is also kept as one text, the field `static`: reports come often and
-- change none of them. In each pair of runs measured without it, a report and the reads of pages
-- that poll took longer.
local DYNAMIC = {'version', 'phase', 'current', 'total', 'status', 'step', 'updated_at', 'parts'}
local STATIC = {'failures', 'parent_id', 'resume', 'question', 'result_size', 'name', 'title', 'error',
  'attempt', 'max_attempts', 'created_at', 'scheduled_for', 'started_at', 'finished_at'}
local STATIC_HEAD = '"failures":'  -- the text that an earlier release kept begins otherwise
-- what most ended tasks say nothing in, which their record leaves out, by the member behind it
local UNUSED = {['"name":'] = '"parent_id":null,"resume":null,"question":null,"result_size":null,',
  ['"attempt":'] = '"error":null,', ['"started_at":'] = '"scheduled_for":null,'}
-- `revoked_tokens` are those of runs that may write no more, `max_fraction` is the largest fraction
-- shown in this bar, `point_due` when its next point is to be noted, `ttl_refreshed_at` when the
-- record's expiry was last set, `static` the JSON of the STATIC members.
local PRIVATE = {'owner', 'queue', 'fence', 'revoked_tokens', 'generation', 'max_fraction', 'bar', 'cancel',
  'write_id', 'ttl_refreshed_at', 'static', 'point_due', 'streams', 'parent_id'}

-- While it is loaded a library has no functions of Lua's own, such as ipairs.
local function joined(...)
  local all, lists = {}, {...}
  for i = 1, #lists do
    for j = 1, #lists[i] do all[#all + 1] = lists[i][j] end
  end
  return all
end

local SHORT = joined(DYNAMIC, PRIVATE)
local FIELDS = joined(SHORT, STATIC, {'result', 'files_shown', 'sends', 'delivery', 'dependents', 'history',
  'worker', 'words', 'priority'})
local IS_DYNAMIC = {bar = true, saved = true}
for i = 1, #DYNAMIC do IS_DYNAMIC[DYNAMIC[i]] = true end

local STATE = {scheduled = 'PENDING', queued = 'PENDING', retrying = 'PENDING',
  waiting = 'PENDING', running = 'PROGRESS', cancelling = 'PROGRESS', succeeded = 'SUCCESS', failed = 'FAILURE',
  cancelled = 'REVOKED'}
local FINAL = {succeeded = true, failed = true, cancelled = true}

local function text(fragment)  -- the text of a JSON string without escapes
  return fragment and string.sub(fragment, 2, -2)
end

local function members(names, fields)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = '"' .. name .. '":' .. (fields[name] or 'null') end
  return table.concat(parts, ',')
end

-- The JSON of the STATIC members. The article's page takes a `result` for the sign of success, so it
-- is there in SUCCESS alone.
local function static_members(fields)
  local all = members(STATIC, fields) .. ',"files":' .. (fields.files_shown or 'null')
  return fields.phase == '"succeeded"' and all .. ',' .. members({'result'}, fields) or all
end

-- How many are ahead of a task that is queued: in its line while it waits there, else in its queue.
local function ahead_of(id, fields)
  local line = fields.queue == '' and redis.call('HGET', record_key(id), 'line')
  for _, each in ipairs(lines_of(line, fields.owner or '')) do
    local rank = redis.call('ZRANK', each.waiting, id)
    if rank then return rank end
  end
  return redis.call('ZRANK', WAITING .. fields.queue, id)
end

-- A snapshot between `head` and `tail`: the DYNAMIC members, the STATIC ones as `static`, where it
-- waits, and its streams. All in one step, so that a report copies none of it twice. The fan-out
-- reads the id and the version from the first two.
local function render_between(head, id, fields, static, position, queue, streams, tail)
  return head .. '{"task_id":"' .. id .. '","version":' .. fields.version .. ',"state":"' ..
    STATE[text(fields.phase)] .. '","phase":' .. fields.phase .. ',"current":' ..
    (fields.current or 'null') .. ',"total":' .. (fields.total or 'null') .. ',"status":' ..
    (fields.status or '""') .. ',"step":' .. (fields.step or 'null') .. ',"updated_at":' ..
    (fields.updated_at or 'null') .. ',"parts":' .. (fields.parts or 'null') .. ',' .. static ..
    ',"queue_position":' .. position ..
    ',"queue":' .. queue .. ',"streams":' .. streams .. '}' .. tail
end

-- Return, for a record's fields, a tag that changes whenever the snapshot does, and the snapshot as
-- JSON.
local function render(id, fields)
  local position, queue = 'null', 'null'
  if fields.phase == '"queued"' and fields.queue then
    local ahead = ahead_of(id, fields)
    if ahead then position = integer(ahead) end
    if fields.queue ~= '' then queue = cjson.encode(fields.queue) end
  end
  local streams, written = render_streams(id, fields.streams, FINAL[text(fields.phase)])
  local moving = position ~= 'null' and position or written
  local tag = moving and fields.version .. '-' .. moving or fields.version
  local static = fields.static or static_members(fields)
  return tag, render_between('', id, fields, static, position, queue, streams, '')
end

-- Whether the kept JSON of the members that seldom change was written by this release.
local function is_current(static)
  return static and string.sub(static, 1, #STATIC_HEAD) == STATIC_HEAD
end

-- The text `static` without what is UNUSED, as an ended task's record keeps it.
local function shortened(static)
  for behind, nulls in pairs(UNUSED) do static = string.gsub(static, nulls .. behind, behind, 1) end
  return static
end

-- Have an ended task's fields hold again what its record leaves out: what `static` alone has, all
-- STATIC members of it where these may change. In JSON a text holds no bare quote, so none holds the
-- name of a member as it stands here. What is null stays missing: a task without a parent is no part.
local unfold
do
  -- The text `static` with what is UNUSED.
  local function lengthened(static)
    for behind, nulls in pairs(UNUSED) do
      local first = string.match(nulls, '^"[^"]+":')
      if not string.find(static, first, 1, true) then
        static = string.gsub(static, behind, nulls .. behind, 1)
      end
    end
    return static
  end

  local form = '^'
  for i = 1, #STATIC do form = form .. '"' .. STATIC[i] .. '":(.-),' end

  unfold = function(fields, names)
    fields.static = lengthened(fields.static)
    fields.updated_at = fields.updated_at or string.match(fields.static, '"finished_at":([^,]+)')
    fields.current = fields.current or fields.total
    if names == SHORT then return end
    fields.result = fields.result or string.match(fields.static, ',"result":(.*)$')
    local values = {string.match(fields.static .. ',', form)}
    for i, name in ipairs(STATIC) do
      if values[i] ~= 'null' then fields[name] = fields[name] or values[i] end
    end
  end
end

-- A part's parent, as its field holds it, from the JSON of the STATIC members.
local function parent_in(static)
  return string.match(static, '^"failures":%w+,"parent_id":("[^"]+")')
end

-- Return a record: its `fields` as they are stored, and some of them converted for Lua. `phase` is
-- nil for no record, and for one with an unknown phase. The SHORT names are enough to show it, and
-- to change what is DYNAMIC while its phase stays.
local function load(record, names)
  local MAX_RESULT = 8192  -- bytes, beyond which a result that an earlier version kept is not shown
  names = names or FIELDS
  local values, fields = redis.call('HMGET', record, unpack(names)), {}
  for i, name in ipairs(names) do fields[name] = values[i] or nil end
  if not is_current(fields.static) then fields.static = nil end
  if fields.phase and not fields.static then  -- kept since an earlier version
    if names == SHORT then return load(record) end
    if #(fields.result or '') > MAX_RESULT then
      fields.result, fields.result_size = 'null', integer(#fields.result)
    end
  end
  local phase = text(fields.phase)
  if FINAL[phase] and fields.static then unfold(fields, names) end
  return {fields = fields, short = names == SHORT, phase = STATE[phase] and phase, had_ended = FINAL[phase],
    cancel = fields.cancel, fence = fields.fence or '',
    revoked_tokens = fields.revoked_tokens or '', generation = number(fields.generation),
    attempt = number(fields.attempt), failures = number(fields.failures), max_attempts = number(fields.max_attempts or 1)}
end

-- The version of a record's next state: it grows even where Redis's clock has gone back.
local function next_version(version)
  return integer(math.max(number(version) + 1, NOW))
end

-- Whether an error comes from what a field holds, and not from a command that Redis refuses.
local function is_damage(problem)
  return type(problem) == 'string'
end

-- What a record holds, its tag and its snapshot; nothing for no record, or a damaged one: it must
-- not keep others from being read.
local function show(record)
  local is_sound, held = pcall(load, record, SHORT)
  if not is_sound then
    if is_damage(held) then return nil end
    error(held)
  end
  if not held.phase then return nil end
  local is_shown, tag, json = pcall(render, string.sub(record, #record_key('') + 1), held.fields)
  if is_shown then return held, tag, json end
  if not is_damage(tag) then error(tag) end
end

-- Return a record for a run that makes these changes: the SHORT names suffice if the task goes on
-- running and all of them are DYNAMIC.
local function load_for_run(record, changes)
  local short = changes.phase == '"running"'
  for name in pairs(changes) do short = short and IS_DYNAMIC[name] end
  local held = load(record, short and SHORT)
  return held.short and held.phase ~= 'running' and load(record) or held
end

-- The fields of a new record.
local function new_fields(name, title, max_attempts)
  return {name = name, title = title, phase = '"queued"', current = '0',
    total = '1', status = '"Pending..."', step = 'null', result = 'null', result_size = 'null',
    files_shown = 'null', resume = 'null', question = 'null', error = 'null', attempt = '0', failures = '0',
    max_attempts = max_attempts, created_at = format_time(NOW), scheduled_for = 'null',
    started_at = 'null', finished_at = 'null', generation = '0', fence = '', revoked_tokens = '',
    max_fraction = '0'}
end

-- Keep a list, or a key of its index, for as long as its tasks; an hour longer, so that not every new
-- task has to renew its expiry.
local function keep_for(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl + HOUR / 1000) end
end

-- The list that a task is in: of its parent's parts, else of its owner's tasks; nil for neither.
local function list_of(fields)
  local owner = fields.owner or ''
  if fields.parent_id then return 'parts:' .. text(fields.parent_id) end
  return owner ~= '' and 'owner:' .. owner or nil
end

local resolve_owner, add_to_list
do  -- see points.lua

local function may_be_parent(parent, id)
  return parent ~= id and string.find(parent, '^%w[%w-]*$')
end

-- The owner of a new record: the given one or, if that is '', the one of the task that started it.
resolve_owner = function(owner, parent, id)
  if owner ~= '' or not may_be_parent(parent, id) then return owner end
  return redis.call('HGET', record_key(parent), 'owner') or ''
end

-- Have a new record be its owner's, '' for nobody's, and the part of the task that started it ('')
-- unless that is somebody else's. Parts are listed in the order in which they were started.
add_to_list = function(owner, parent, id, fields)
  if may_be_parent(parent, id) then
    local phase, whose = unpack(redis.call('HMGET', record_key(parent), 'phase', 'owner'))
    if phase and (whose or '') == owner then fields.parent_id = cjson.encode(parent) end
  end
  if owner ~= '' then fields.owner = owner end
  local list = list_of(fields)
  if not list then return end
  redis.call('ZADD', list_key(list), integer(fields.parent_id and -NOW or NOW), id)
end

end
