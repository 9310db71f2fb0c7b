-- Append lines to a task's log and publish them.
-- KEYS[1]: the record; KEYS[2]: the log. ARGV[1]: id; ARGV[2]: token, ARGV[3]: generation of the run's
-- delivery; ARGV[4]: how many lines are kept; ARGV[5] on: level and text of each line, in turn, as
-- JSON fragments.
-- Returns 'written', or why not.
local record = KEYS[1]
local log = KEYS[2]
local id = ARGV[1]
local token = ARGV[2]
local generation = tonumber(ARGV[3])
local kept = tonumber(ARGV[4])
local FIRST = 5
local held = load(record)
if not held.phase then return 'unknown' end
local refused = refusal_of(held, token, generation)
if refused then return refused end

local lines = {}
local seq = number(redis.call('HGET', record, 'log_seq'))
for i = FIRST, #ARGV, 2 do
  local level = ARGV[i]
  local line = ARGV[i + 1]
  seq = seq + 1
  lines[#lines + 1] = '{"seq":' .. integer(seq) .. ',"at":' .. format_time(NOW) ..
    ',"level":' .. level .. ',"text":' .. line .. '}'
end
redis.call('HSET', record, 'log_seq', integer(seq))
redis.call('RPUSH', log, unpack(lines))
redis.call('LTRIM', log, -kept, -1)
redis.call('PEXPIRE', log, redis.call('PTTL', record))
redis.call('PUBLISH', CHANNEL .. 'task:' .. id,
  '["log",{"task_id":"' .. id .. '","lines":[' .. table.concat(lines, ',') .. ']}]')
return 'written'
