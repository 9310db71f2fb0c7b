-- Stage a piece of a large text, which a `write` takes over.
-- KEYS[1]: where it waits. ARGV[1]: offset in bytes; ARGV[2]: piece; ARGV[3]: ttl in ms.
-- Returns nothing.
local staged = KEYS[1]
local offset = ARGV[1]
local piece = ARGV[2]
local ttl = ARGV[3]
redis.call('SETRANGE', staged, offset, piece)
redis.call('PEXPIRE', staged, ttl)
