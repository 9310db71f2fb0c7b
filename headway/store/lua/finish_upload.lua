-- Note that an upload which came in pieces is whole.
-- KEYS[1]: the upload. ARGV[1]: what is noted of it, a JSON object that is not empty; ARGV[2]: ms for
-- which it is kept.
-- Returns what is noted of it, '' where it is not kept.
local upload = KEYS[1]
local about = ARGV[1]
local ttl = ARGV[2]
local known = redis.call('HGET', upload, 'about')
if known then return known end
if redis.call('HDEL', upload, 'begun') == 0 then return '' end
redis.call('HDEL', upload, 'parts', 'part_number')
local noted = '{"at":' .. format_time(NOW) .. ',' .. string.sub(about, 2)
redis.call('HSET', upload, 'about', noted)
redis.call('PEXPIRE', upload, ttl)
return noted
