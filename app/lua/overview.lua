-- The system at a glance. ARGV: ttl ms, then names of queues. Returns {now (JSON), workers, slots, queued}.
redis.call('ZREMRANGEBYSCORE', 'headway:workers', '-inf', NOW)
redis.call('ZREMRANGEBYSCORE', LEASES, '-inf', NOW - tonumber(ARGV[1]) * 1000)  -- of tasks that have expired since
local workers, slots, queued = redis.call('ZRANGE', 'headway:workers', 0, -1), 0, 0
for _, worker in ipairs(workers) do slots = slots + tonumber(string.match(worker, ' (%d+)$')) end
for i = 2, #ARGV do
  redis.call('ZREMRANGEBYSCORE', WAITING .. ARGV[i], '-inf', NOW - tonumber(ARGV[1]) * 1000)
  queued = queued + redis.call('ZCARD', WAITING .. ARGV[i])
end
return {stamp(NOW), #workers, slots, queued}
