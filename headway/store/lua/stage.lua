-- Stage a piece of a large text, which a `write` takes over.
-- KEYS: where it waits. ARGV: offset in bytes, piece, ttl ms.
redis.call('SETRANGE', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
