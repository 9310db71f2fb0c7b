-- A task's log after a line. KEYS: record, log. ARGV: seq (lines after it). Returns {first seq
-- kept, last seq, line, ...}.
local last = tonumber(redis.call('HGET', KEYS[1], 'log_seq') or 0)
local first = last - redis.call('LLEN', KEYS[2]) + 1
local skip = math.max(0, tonumber(ARGV[1]) + 1 - first)
return {integer(first), integer(last), unpack(redis.call('LRANGE', KEYS[2], skip, -1))}
