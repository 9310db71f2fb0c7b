-- Read a task's log after a line.
-- KEYS[1]: the record; KEYS[2]: the log. ARGV[1]: the line's seq; ARGV[2]: bytes at most, '' any.
-- Returns {first seq kept, last seq, {line, ...}}, the newest ones, at most MAX_LINES.
local record = KEYS[1]
local log = KEYS[2]
local after = tonumber(ARGV[1])
local last = number(redis.call('HGET', record, 'log_seq'))
local count = redis.call('LLEN', log)
local first = last - count + 1
local MAX_LINES = 1000  -- as output.py keeps of a log: there are more where others write to it
local skip = math.min(math.max(0, after + 1 - first, count - MAX_LINES), count)
local lines = redis.call('LRANGE', log, skip, -1)
local left = tonumber(ARGV[2])
if left then
  local from = #lines + 1
  while from > 1 and #lines[from - 1] <= left do
    from = from - 1
    left = left - #lines[from]
  end
  lines = {unpack(lines, from)}
end
return {integer(first), integer(last), lines}
