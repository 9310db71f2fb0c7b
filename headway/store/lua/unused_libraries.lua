-- ARGV: us for which no process has used a library. Returns the digests of such libraries.
note_use()
return redis.call('ZRANGEBYSCORE', LIBRARIES, '-inf', NOW - tonumber(ARGV[1]))
