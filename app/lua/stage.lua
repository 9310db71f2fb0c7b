-- A piece of a large text that a `write` takes over. KEYS: where it waits. ARGV: offset, piece, ttl ms.
redis.call('SETRANGE', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
