-- Read a task's log after a line.
-- KEYS[1]: the record; KEYS[2]: the log. ARGV[1]: the line's seq.
-- Returns {first seq kept, last seq, line, ...}.
local record = KEYS[1]
local log = KEYS[2]
local after = tonumber(ARGV[1])
local last = tonumber(redis.call('HGET', record, 'log_seq') or 0)
local first = last - redis.call('LLEN', log) + 1
local skip = math.max(0, after + 1 - first)
return {integer(first), integer(last), unpack(redis.call('LRANGE', log, skip, -1))}
