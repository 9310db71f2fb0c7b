-- Lines for a task's log. KEYS: record, log. ARGV: id, token, order, cap, then level, text
-- (fragments), ...
-- Returns 'written', or why not.
local record, log, id = KEYS[1], KEYS[2], ARGV[1]
local held = load(record)
if not held.phase then return 'unknown' end
local refused = refusal_of(held, ARGV[2], tonumber(ARGV[3]))
if refused then return refused end

local lines = {}
local seq = redis.call('HINCRBY', record, 'log_seq', (#ARGV - 4) / 2) - (#ARGV - 4) / 2
for i = 5, #ARGV, 2 do
  seq = seq + 1
  lines[#lines + 1] = '{"seq":' .. integer(seq) .. ',"at":' .. format_time(NOW) ..
    ',"level":' .. ARGV[i] .. ',"text":' .. ARGV[i + 1] .. '}'
end
redis.call('RPUSH', log, unpack(lines))
redis.call('LTRIM', log, -tonumber(ARGV[4]), -1)
redis.call('PEXPIRE', log, redis.call('PTTL', record))
redis.call('PUBLISH', CHANNEL .. 'task:' .. id,
  '["log",{"task_id":"' .. id .. '","lines":[' .. table.concat(lines, ',') .. ']}]')
return 'written'
