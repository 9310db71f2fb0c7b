-- Return a page of a list of tasks, an owner's newest first, parts in the order of their starts.
-- ARGV[1]: list; ARGV[2]: limit; ARGV[3]: phases ('|queued|running|', '' for all); ARGV[4]: score,
-- ARGV[5]: id of the cursor ('' at first); ARGV[6] on: the words that each has to hold.
-- Returns {next score, next id, '1' where the search has only come so far, {id, ...} to be brought
-- in order (see tidy), snapshot, ...}; next is '' on the last page.
local name = ARGV[1]
local limit = tonumber(ARGV[2])
local phases = ARGV[3]
local score = ARGV[4]
local last = ARGV[5]
local FIRST_WORD = 6
local list = list_key(name)
local index = index_key(name)
local BUDGET = 1000  -- tasks that one call looks at: a longer one would hold Redis up
local FEW = 200
local page = {}
local untidy = {}
local is_filtered = phases ~= '' or #ARGV >= FIRST_WORD
local seen_score = score  -- where a page goes on that was full before this call
local seen_id = last
local looked = 0

local function lacks_words(known)
  for i = FIRST_WORD, #ARGV do
    if not string.find(known, ARGV[i], 1, true) then return true end
  end
  return false
end

-- Whether the index says that this task is not wanted. What a task says while it runs is in its
-- record alone.
local function is_other(id, entry)
  local phase, known = string.match(entry, '^|(%a+)|(.*)$')
  if phases ~= '' and not string.find(phases, '|' .. phase .. '|', 1, true) then return true end
  if not lacks_words(known) then return false end
  if phase ~= 'running' and phase ~= 'cancelling' then return true end
  local status = redis.call('HGET', record_key(id), 'status') or ''
  return lacks_words(known .. ' ' .. string.lower(status))
end

-- Add a task to the page if it is wanted; return whether the page was full before.
local function take(id, at, entry)
  if at == score and id >= last then return false end  -- of one score, ids come in falling order
  looked = looked + 1
  if entry and is_other(id, entry) then return false end
  local held, _, json = show(record_key(id))
  if not held then
    untidy[#untidy + 1] = id
    return false
  end
  -- Listed, or changed, by an earlier version, which knows no index.
  local is_known = entry and string.find(entry, '|' .. held.phase .. '|', 1, true) == 1
  if is_filtered and not is_known then
    untidy[#untidy + 1] = id
    local whole = load(record_key(id))
    if is_other(id, '|' .. held.phase .. '|' .. words_of(whole.fields)) then return false end
  end
  if #page == limit then return true end
  page[#page + 1] = json
  seen_score = at
  seen_id = id
  return false
end

local function answer(next_score, next_id, more)
  return {next_score, next_id, more, untidy, unpack(page)}
end

-- The tasks in these phases as {id, score}, newest first; nil where there are too many to sort.
local function all_in_phases()
  local ids = {}
  for phase in string.gmatch(phases, '%a+') do
    local set = phase_key(name, phase)
    if redis.call('ZCARD', set) + #ids > FEW then return nil end
    for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do ids[#ids + 1] = id end
  end
  local found = {}
  for _, id in ipairs(ids) do
    local at = redis.call('ZSCORE', list, id)
    local is_ahead = at and (score == '' or tonumber(at) <= tonumber(score))
    if is_ahead then found[#found + 1] = {id, at} end
  end
  table.sort(found, function(one, other)
    local first = tonumber(one[2])
    local second = tonumber(other[2])
    if first ~= second then return first > second end
    return one[1] > other[1]
  end)
  return found
end

local few = phases ~= '' and all_in_phases()
if few and (#few > 0 or redis.call('HLEN', index) >= redis.call('ZCARD', list)) then
  for _, one in ipairs(few) do
    local entry = redis.call('HGET', index, one[1]) or nil
    if take(one[1], one[2], entry) then return answer(seen_score, seen_id, '') end
  end
  return answer('', '', '')
end

local from = score == '' and '+inf' or score
local offset = 0
local at_id = ''
local at_score = ''
while true do
  local chunk = redis.call('ZREVRANGEBYSCORE', list, from, '-inf', 'WITHSCORES',
    'LIMIT', offset, 100)
  if #chunk == 0 then return answer('', '', '') end
  offset = offset + #chunk / 2
  local entries = {}
  if is_filtered then
    local ids = {}
    for i = 1, #chunk, 2 do ids[#ids + 1] = chunk[i] end
    entries = redis.call('HMGET', index, unpack(ids))
  end
  for i = 1, #chunk, 2 do
    at_id = chunk[i]
    at_score = chunk[i + 1]
    if take(at_id, at_score, entries[(i + 1) / 2] or nil) then
      return answer(seen_score, seen_id, '')
    end
  end
  if looked >= BUDGET then return answer(at_score, at_id, '1') end
end
