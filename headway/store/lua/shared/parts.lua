-- What a task knows of its parts, the tasks that it started.
--
-- A parent's public field `parts` counts them, in JSON; of its private fields, `parts_done` is the
-- sum of their shares (0 to 1 each), `parts_due` when a part's mere report is shown next, and
-- `parts_cancelled` is there once it was cancelled together with its parts. A part's private field
-- `counted` is what its parent has counted of it, '<kind> <share>': each change counts once.

local has_open_parts, parent_of_failed, leave_parent, take_place, stop_part
do  -- see points.lua

local REPORT_GAP = 200000  -- us
local COUNTS = '^{"count":(%d+),"ended":(%d+),"failed":(%d+),"waiting":(%d+),"progress":[%d.]+,' ..
  '"first_failed":(.*)}$'
local LEFT = 'left 0'  -- counted of one that is no longer among its parent's parts

local function kind_of(phase)
  if phase == 'failed' or phase == 'waiting' then return phase end
  return FINAL[phase] and 'ended' or 'open'
end

local function has_ended(kind) return kind == 'ended' or kind == 'failed' end

-- How much of a part is done; a bar that its task moves back does not take any of it away.
local function share_of(fields, phase)
  if FINAL[phase] then return 1 end
  local total = number(fields.total)
  return total > 0 and math.max(0, math.min(1, number(fields.current) / total)) or 0
end

local function first_failed(parent)
  for _, id in ipairs(redis.call('ZRANGE', phase_key('parts:' .. parent, 'failed'), 0, 2)) do
    local failed = load(record_key(id)).fields
    if failed.title then
      return '{"task_id":' .. cjson.encode(id) .. ',"title":' .. failed.title .. ',"error":' ..
        (failed.error or 'null') .. '}'
    end
  end
  return 'null'
end

-- What a parent shows after a part has gone from one kind to another, nil for none, in a JSON text.
local function counted(shown, before, after, done, parent)
  local count, ended, failed, waiting, first = string.match(shown or '', COUNTS)
  local function change(kind) return (after == kind and 1 or 0) - (before == kind and 1 or 0) end
  count = number(count) + (after and 1 or 0) - (before and 1 or 0)
  if count <= 0 then return 'null' end
  failed = number(failed) + change('failed')
  ended = number(ended) + change('ended') + change('failed')
  waiting = number(waiting) + change('waiting')
  local is_first = change('failed') > 0 and (first or 'null') == 'null'
  if is_first or change('failed') < 0 then first = first_failed(parent) end
  local progress = ended >= count and 1 or math.min(0.9999, done / count)
  return string.format('{"count":%.0f,"ended":%.0f,"failed":%.0f,"waiting":%.0f,"progress":%.4f,' ..
    '"first_failed":', count, ended, failed, waiting, progress) .. (first or 'null') .. '}'
end

has_open_parts = function(fields)
  local count, ended = string.match(fields.parts or '', COUNTS)
  return count and number(ended) < number(count)
end

-- Note in its own parent that a part has parts.
local function note_nested(id, fields)
  if fields.parts ~= nil or not fields.parent_id then return end
  note_expiry(record_key(id), 'parts:' .. text(fields.parent_id), id, NESTED)
end

-- Have a parent count that a part has gone from one kind to another, and `grown` of its share.
local function change_counts(parent, before, after, grown, ttl)
  local record = record_key(parent)
  local held = load(record, SHORT)
  if not held.phase then return end
  local done, due = unpack(redis.call('HMGET', record, 'parts_done', 'parts_due'))
  done = math.max(0, number(done) + grown)
  redis.call('HSET', record, 'parts_done', string.format('%.17g', done))
  if before == after and NOW < number(due) then return end
  redis.call('HSET', record, 'parts_due', integer(NOW + REPORT_GAP))
  note_nested(parent, held.fields)
  local parts = counted(held.fields.parts, before, after, done, parent)
  store_version(record, parent, held, {phase = held.fields.phase, parts = parts}, nil, ttl)
  -- A task whose own run ended before its parts is shown as going on until now.
  local is_end = before ~= after and FINAL[held.phase] and not has_open_parts(held.fields)
  if is_end and not held.fields.parent_id then devices.note_news(parent, held.fields.owner or '') end
end

-- An owner's parts that have not ended, which are in no list of the owner's.
local function note_open_part(record, id, owner, kind)
  if owner == '' then return end
  local set = open_parts_key(owner)
  if has_ended(kind) then
    redis.call('ZREM', set, id)
  else
    local ttl = redis.call('PTTL', record)
    redis.call('ZADD', set, integer(NOW / 1000 + ttl), id)
    keep_for(set, ttl)
  end
end

-- Have its parent count what a part has become. What is wrong with a parent's record must not keep
-- its part from changing.
count_part = function(record, id, fields, ttl)
  local function count()
    local known = redis.call('HGET', record, 'counted') or ''
    local before, share = string.match(known, '^(%a+) (%S+)$')
    if known == LEFT then return end
    local phase = text(fields.phase)
    local after = kind_of(phase)
    local had = number(share)
    local has = share_of(fields, phase)
    if not has_ended(before) or has_ended(after) then has = math.max(had, has) end
    if before == after and had == has then return end
    redis.call('HSET', record, 'counted', after .. ' ' .. string.format('%.17g', has))
    if before ~= after then note_open_part(record, id, fields.owner or '', after) end
    change_counts(text(fields.parent_id), before, after, has - had, ttl)
  end
  local is_sound, problem = pcall(count)
  if not is_sound and not is_damage(problem) then error(problem) end
end

-- The parent of a part that has ended without success and is still among its parts; nil for none.
parent_of_failed = function(id)
  local parent, phase, known = unpack(redis.call('HMGET', record_key(id), 'parent_id', 'phase',
    'counted'))
  local is_failed = phase == '"failed"' or phase == '"cancelled"'
  return parent and is_failed and known ~= LEFT and text(parent) or nil
end

-- Take a part that has ended from among its parent's parts. Returns its place there.
leave_parent = function(id, ttl)
  local record = record_key(id)
  local parent, known = unpack(redis.call('HMGET', record, 'parent_id', 'counted'))
  local before, share = string.match(known or '', '^(%a+) (%S+)$')
  if not parent or not before or known == LEFT then return nil end
  local list = 'parts:' .. text(parent)
  local place = redis.call('ZSCORE', list_key(list), id)
  redis.call('HSET', record, 'counted', LEFT)
  forget_task(list, id)
  change_counts(text(parent), before, nil, -number(share), ttl)
  return place
end

-- Have a new part take the place of one that has failed, and of what is left of the wish to cancel.
take_place = function(former, id, fields, ttl)
  local place = leave_parent(former, ttl)
  if place then redis.call('ZADD', list_key(list_of(fields)), place, id) end
  redis.call('HDEL', record_key(text(fields.parent_id)), 'parts_cancelled')
end

-- Cancel a new part whose parent was cancelled together with its parts. Returns its snapshot then.
stop_part = function(record, id, fields, ttl, grace)
  local parent = fields.parent_id and record_key(text(fields.parent_id))
  if not parent or not redis.call('HGET', parent, 'parts_cancelled') then return nil end
  redis.call('HSET', record, 'parts_cancelled', '1')
  local _, json = cancel_open(record, id, load(record), ttl, grace)
  return json
end

end
