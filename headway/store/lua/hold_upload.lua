-- Keep an upload for as long as the task is kept whose run begins with it.
-- KEYS[1]: the record; KEYS[2]: the upload. ARGV[1]: id of the task; ARGV[2]: id of the upload;
-- ARGV[3]: ttl in ms.
-- Returns what is noted of the upload, a JSON object, '' where there is none.
local record = KEYS[1]
local upload = KEYS[2]
local id = ARGV[1]
local upload_id = ARGV[2]
local ttl = tonumber(ARGV[3])
if not hold_upload(upload_id, id, ttl + UNENDED) then return '' end
local names = redis.call('HGET', record, 'uploads') or ''
if redis.call('EXISTS', record) == 1 and not string.find(names, upload_id, 1, true) then
  redis.call('HSET', record, 'uploads', names .. ' ' .. upload_id)
end
return redis.call('HGET', upload, 'about')
