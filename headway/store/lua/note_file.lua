-- Note a file that a run has given out, and tell its viewers.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: order of the run's delivery; ARGV[4]:
-- name of the file; ARGV[5]: what is noted of it, a JSON object that is not empty; ARGV[6]: how
-- many files a task may have; ARGV[7]: ttl in ms.
-- The field `files` is a JSON object: by name, what is noted as a JSON text.
-- Returns {'written', what was noted under this name before, '' for nothing}; {'full'} for a file
-- too many; {'cancelling'} where the task has to stop instead; {'unknown'} without a record; or
-- {why not}.
local SHOWN = 3

-- What a snapshot shows of the files: how many there are, and the first of them.
local function shown_of(files)
  local all, first = {}, {}
  for _, file in pairs(files) do all[#all + 1] = tostring(file) end
  table.sort(all)  -- each begins with its time
  for i = 1, math.min(SHOWN, #all) do
    local is_sound, file = pcall(cjson.decode, all[i])
    if is_sound and type(file) == 'table' and type(file.name) == 'string' and tonumber(file.size) then
      first[#first + 1] = '{"name":' .. cjson.encode(file.name) .. ',"size":' ..
        integer(tonumber(file.size)) .. '}'
    end
  end
  return '{"count":' .. integer(#all) .. ',"first":[' .. table.concat(first, ',') .. ']}'
end

local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local order = tonumber(ARGV[3])
local name = ARGV[4]
local noted = ARGV[5]
local most = tonumber(ARGV[6])
local ttl = ARGV[7]
local held = load(record)
if not held.phase then return {'unknown'} end
local refused = refusal_of(held, token, order)
if refused then return {refused} end
if held.cancel then return {'cancelling'} end

local is_sound, files = pcall(cjson.decode, redis.call('HGET', record, 'files') or '{}')
if not is_sound or type(files) ~= 'table' then files = {} end
local count = 0
for _ in pairs(files) do count = count + 1 end
local former = files[name]
if not former and count >= most then return {'full'} end
files[name] = '{"at":' .. format_time(NOW) .. ',' .. string.sub(noted, 2)
redis.call('HSET', record, 'files', cjson.encode(files))
local changes = {phase = held.fields.phase, files_shown = shown_of(files)}
store_version(record, id, held, changes, nil, ttl)
redis.call('PUBLISH', CHANNEL .. 'task:' .. id, '["files",{"task_id":"' .. id .. '"}]')
return {'written', type(former) == 'string' and former or ''}
