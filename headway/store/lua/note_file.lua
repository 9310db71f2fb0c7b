-- Note a file that a run has given out, and tell its viewers.
-- KEYS[1]: the record. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's delivery; ARGV[4]:
-- name of the file; ARGV[5]: what is noted of it, a JSON object that is not empty; ARGV[6]: how
-- many files a task may have; ARGV[7]: ttl in ms.
-- Returns {'written', what was noted under this name before, '' for nothing}; {'full'} for a file
-- too many; {'cancelling'} where the task has to stop instead; {'unknown'} without a record; or
-- {why not}.
local record = KEYS[1]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local name = ARGV[4]
local noted = ARGV[5]
local most = tonumber(ARGV[6])
local ttl = ARGV[7]
local held = load(record)
if not held.phase then return {'unknown'} end
local refused = refusal_of(held, token, generation)
if refused then return {refused} end
if held.cancel then return {'cancelling'} end

local changes = {phase = held.fields.phase}
local former = files.note(record, id, changes, name, noted, most)
if not former then return {'full'} end
store_version(record, id, held, changes, nil, ttl)
return {'written', former}
