-- The system at a glance. ARGV: ttl ms, then names of queues. Returns {now (JSON), workers, slots, queued}.
-- What has ended or expired meanwhile is not counted; maintenance removes it.
local oldest = '(' .. integer(NOW - (tonumber(ARGV[1]) + UNENDED) * 1000)
local workers, slots, queued = redis.call('ZRANGEBYSCORE', 'headway:workers', '(' .. integer(NOW), '+inf'), 0, 0
for _, worker in ipairs(workers) do slots = slots + tonumber(string.match(worker, ' (%d+)$')) end
for i = 2, #ARGV do
  queued = queued + redis.call('ZCOUNT', WAITING .. ARGV[i], oldest, '+inf')
end
return {stamp(NOW), #workers, slots, queued}
