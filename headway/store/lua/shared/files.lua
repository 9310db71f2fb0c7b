-- The files that a task has given out, as its record notes them.
--
-- The record's field `files` is a JSON object: by name, what is noted as a JSON text. The field
-- `files_shown` is what a snapshot shows of them.
-- One table, see points.lua.
local files = {SHOWN = 3}

-- When the next of the files is given out: now, or as many milliseconds later as keep the files in
-- their order, which is that of their times.
function files.next_time(noted)
  local taken = {}
  for _, file in pairs(noted) do taken[string.match(tostring(file), '^{"at":([^,]+),') or ''] = true end
  local at = NOW
  while taken[format_time(at)] do at = at + 1000 end
  return format_time(at)
end

-- What a snapshot shows of the files: how many there are, and the first of them.
function files.shown_of(noted)
  local all, first = {}, {}
  for _, file in pairs(noted) do all[#all + 1] = tostring(file) end
  table.sort(all)  -- each begins with its time
  for i = 1, math.min(files.SHOWN, #all) do
    local is_sound, file = pcall(cjson.decode, all[i])
    if is_sound and type(file) == 'table' and type(file.name) == 'string' and tonumber(file.size) then
      first[#first + 1] = '{"name":' .. cjson.encode(file.name) .. ',"size":' ..
        integer(tonumber(file.size)) .. '}'
    end
  end
  return '{"count":' .. integer(#all) .. ',"first":[' .. table.concat(first, ',') .. ']}'
end

function files.of(record)
  local is_sound, noted = pcall(cjson.decode, redis.call('HGET', record, 'files') or '{}')
  return is_sound and type(noted) == 'table' and noted or {}
end

-- Whether this note of a file is older than the one that the record has: a file only grows, and Redis may
-- execute a note after its client has given that up, and noted more.
function files.is_outgrown(former, noted)
  local has_former, was = pcall(cjson.decode, former or '')
  local is_sound, now = pcall(cjson.decode, noted)
  if not (has_former and is_sound and type(was) == 'table') then return false end
  return was.key == now.key and (tonumber(was.size) or 0) > now.size
end

-- Note a file in a record and its changes, and tell the task's viewers. Returns what was noted under
-- its name before, '' for nothing; nil for a file too many.
function files.note(record, id, changes, name, noted, most)
  local all, count = files.of(record), 0
  for _ in pairs(all) do count = count + 1 end
  local former = all[name]
  if not former and count >= most then return nil end
  if files.is_outgrown(former, noted) then return former end
  all[name] = nil  -- the file that it replaces gives its time back
  all[name] = '{"at":' .. files.next_time(all) .. ',' .. string.sub(noted, 2)
  changes.files, changes.files_shown = cjson.encode(all), files.shown_of(all)
  redis.call('PUBLISH', CHANNEL .. 'task:' .. id, '["files",{"task_id":"' .. id .. '"}]')
  return type(former) == 'string' and former or ''
end

-- Note in the changes of a record that it has these files no more.
function files.withdraw(record, changes, names)
  if #names == 0 then return end
  local noted = files.of(record)
  for _, name in ipairs(names) do noted[name] = nil end
  local has_any = next(noted) ~= nil
  changes.files = has_any and cjson.encode(noted) or '{}'
  changes.files_shown = has_any and files.shown_of(noted) or 'null'
end
