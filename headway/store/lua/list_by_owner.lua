-- An owner's tasks, newest first. KEYS: owner's list.
-- ARGV: limit, phases ('|queued|running|', '' for all), cursor's score and id ('' at first).
-- Returns {next score, next id, {expired id, ...}, snapshot, ...}; next is '' on the last page.
local list, limit, phases, score, last = KEYS[1], tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local page, expired, seen_score, seen_id = {}, {}, '', ''
local from = score == '' and '+inf' or score
local offset = 0
while #page <= limit do
  local chunk = redis.call('ZREVRANGEBYSCORE', list, from, '-inf', 'WITHSCORES',
    'LIMIT', offset, 100)
  if #chunk == 0 then return {'', '', expired, unpack(page)} end
  offset = offset + #chunk / 2
  for i = 1, #chunk, 2 do
    local id, at = chunk[i], chunk[i + 1]
    if not (at == score and id >= last) then  -- of one score, ids come in falling order
      local held = load(record_key(id), SHORT)
      if not held.phase then
        expired[#expired + 1] = id
      elseif phases == '' or string.find(phases, '|' .. held.phase .. '|', 1, true) then
        if #page == limit then return {seen_score, seen_id, expired, unpack(page)} end
        local _, json = render(held.fields)
        page[#page + 1] = json
        seen_score, seen_id = at, id
      end
    end
  end
end
